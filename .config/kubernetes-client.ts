import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { Plugin } from 'rolldown'

/**
 * Leaves out of the Kubernetes client what the program never calls. Its three API classes have hundreds of
 * methods, and its serializer names every type of the API, so no bundler can tell what is unused: two
 * megabytes, four times all our own code. Methods are kept by the names that src/kubernetes mentions,
 * types by what the kept methods reach.
 */
export function trimKubernetesClient(): Plugin {
  const mentioned = wordsOf(new URL('../src/kubernetes/', import.meta.url))
  const types = new Set<string>()
  return {
    name: 'trim-kubernetes-client',
    buildStart() {
      for (const api of APIS) reach(typesIn(keepCalled(read(`apis/${api}.js`), mentioned)), types)
    },
    transform: {
      filter: { id: /@kubernetes\/client-node\/dist\/gen\/(?:apis\/|types\/O|models\/ObjectS)/ },
      handler(code, id) {
        if (id.endsWith('/models/ObjectSerializer.js')) return { code: keepTypes(code, types) }
        const isApi = APIS.includes(basename(id, '.js')) || id.includes('/types/')
        return isApi ? { code: keepCalled(code, mentioned) } : null
      },
    },
  }
}

const APIS: readonly string[] = ['CoreV1Api', 'CoordinationV1Api', 'AdmissionregistrationV1Api']

const GENERATED = new URL('../node_modules/@kubernetes/client-node/dist/gen/', import.meta.url)

function read(file: string): string {
  return readFileSync(new URL(file, GENERATED), 'utf8')
}

function wordsOf(folder: URL): ReadonlySet<string> {
  const sources = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), 'utf8'))
  return new Set(sources.join('\n').match(/\w+/g))
}

/** The code without the methods of API classes whose names nobody mentions; it is generated, one method from `name(…) {` to `}`. */
function keepCalled(code: string, mentioned: ReadonlySet<string>): string {
  let isApi = false
  let isDropping = false
  const isKept = (line: string): boolean => {
    if (line.startsWith('export class ')) isApi = line.includes('V1Api')
    const method = /^ {4}(?:async )?(\w+?)(?:WithHttpInfo)?\(.*\) \{$/.exec(line)?.[1]
    if (method !== undefined) {
      isDropping = isApi && method !== 'constructor' && !mentioned.has(method)
    }
    const isLast = isDropping && line === '    }'
    const kept = !isDropping
    if (isLast) isDropping = false
    return kept
  }
  return code
    .split('\n')
    .filter((line) => isKept(line))
    .join('\n')
}

/** Names of types in calls of the serializer, and in a type's own table of attributes. */
function typesIn(code: string): readonly string[] {
  return [...code.matchAll(/"([^"\n]+)"/g)].flatMap(
    ([, text = '']) => text.match(/\b[A-Z]\w+/g) ?? [],
  )
}

function reach(names: readonly string[], types: Set<string>): void {
  for (const name of names) {
    if (types.has(name) || !MODELS.has(`${name}.js`)) continue
    types.add(name)
    const table = /attributeTypeMap = \[[^]*?\n\s*\];/.exec(read(`models/${name}.js`))?.[0] ?? ''
    reach(typesIn(table), types)
  }
}

const MODELS: ReadonlySet<string> = new Set(readdirSync(new URL('models/', GENERATED)))

/** The serializer without the types that nothing reaches: each stands in three lines of its own. */
function keepTypes(code: string, types: ReadonlySet<string>): string {
  const isUnused = (line: string): boolean => {
    const name =
      /^(?:im|ex)port .* from '\.\.\/models\/(\w+)\.js';$/.exec(line)?.[1] ??
      /^ {4}"(\w+)": \1,$/.exec(line)?.[1]
    return name !== undefined && MODELS.has(`${name}.js`) && !types.has(name)
  }
  return code
    .split('\n')
    .filter((line) => !isUnused(line))
    .join('\n')
}
