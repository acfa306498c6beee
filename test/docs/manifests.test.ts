import { stripTypeScriptTypes } from 'node:module'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { readConfig } from '../../src/config/load.ts'
import { parseSecretList } from '../../src/config/secret-list.ts'
import { startDevserver } from '../../src/devserver/server.ts'
import { loadSettings } from '../../src/injector/load-settings.ts'
import { readSecretMap } from '../../src/outputs/secret-map.ts'
import { CHART, findHelm, render, SECRETS_CHART } from '../support/helm.ts'
import { ENVIRONMENT, IMAGE } from '../injector/pods.ts'
import { manifestFaults } from '../support/manifest-faults.ts'
import { blocksOf, pagePaths, pageText, type Block } from '../support/pages.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/*
 * Every block of YAML, JSON and TypeScript of every page is read by whoever reads it in earnest:
 * policy by the devserver, pods by the injector, values by Helm, configuration by the agent.
 */

const blocks = pagePaths().flatMap(blocksOf)
const helm = findHelm()

type Check = (text: string, block: Block) => Promise<readonly string[]> | readonly string[]

/** Who reads a block of YAML, by what it looks like; the first that fits. */
const readers: readonly (readonly [name: string, looks: RegExp, check: Check])[] = [
  ['policy', /^- !/m, policyFaults],
  ['manifest', /^apiVersion: /m, podFaults],
  ['injector settings', /^match: /m, injectorFaults],
  ['configuration of the agent', /^(groups|connections):/m, configFaults],
  ['chart values', /^(conjur|injector|agent|monitoring|annotationPolicy):/m, valuesFaults],
  ['fragment of a pod', /^metadata:|^annotations:/m, fragmentFaults],
  ['fragment of a spec', /^(volumes|initContainers|containers):/m, yamlFaults],
  ['conjur-map', /^"\*":/m, (text) => readSecretMap(parse(text)).problems],
  ['list of a group', /^- [\w-]+(\/|: )/m, async (text) => (await parseSecretList(text)).problems],
  ['workflow of GitHub Actions', /^(steps|jobs|on):/m, yamlFaults],
]

test.each(
  blocks
    .filter(({ language }) => /^ya?ml$/.test(language))
    .map((block) => [`${block.page}:${block.line}`, block] as const),
)('%s is read by whoever reads it in earnest', async (_, block) => {
  const reader = readers.find(([, looks]) => looks.test(block.text))

  expect(reader?.[0], 'no reader knows this block').toBeDefined()
  expect(yamlFaults(block.text)).toEqual([])
  expect(await reader?.[2](block.text, block)).toEqual([])
})

test.each(
  blocks
    .filter(({ language }) => /^(json|ts|js|mjs)$/.test(language))
    .map((block) => [`${block.page}:${block.line}`, block] as const),
)('%s is code', (_, { language, text }) => {
  if (language === 'json') expect(() => JSON.parse(text)).not.toThrow()
  else expect(() => stripTypeScriptTypes(text)).not.toThrow()
})

test('every language of a block is one that is checked', () => {
  const unknown = blocks.filter(({ language }) => !/^(sh|ya?ml|json|ts|js|mjs|)$/.test(language))

  expect(unknown.map(({ page, line, language }) => `${page}:${line} ${language}`)).toEqual([])
})

test.each([
  ['policy that names what is not there', '- !grant { role: !group x, member: !host y }'],
  [
    'an annotation with a typing error',
    'annotations:\n  conjur.org/inject: "true"\n  conjur.org/conjur-secret.db: "- a/b"\n',
  ],
  ['a setting with a typing error', 'groups:\n  db:\n    secrts:\n      - a/b\n'],
  ['a setting of the injector with a typing error', 'match: anotation\n'],
  ['a key that stands twice', 'volumes:\n  a: 1\n  a: 2\n'],
])('%s is found', async (_, text) => {
  const reader = readers.find(([, looks]) => looks.test(text))
  const block: Block = { page: 'README.md', line: 1, language: 'yaml', text }

  expect([...yamlFaults(text), ...((await reader?.[2](text, block)) ?? [])]).not.toEqual([])
})

test.skipIf(helm === undefined)('a chart value with a typing error is found', async () => {
  const block: Block = { page: 'README.md', line: 1, language: 'yaml', text: '' }

  expect(await valuesFaults('agent: { refreshIntervall: 1m }', block)).not.toEqual([])
})

function yamlFaults(text: string): readonly string[] {
  // Tags of policy are Conjur's own.
  return parseAllDocuments(text)
    .flatMap(({ errors, warnings }) => [...errors, ...warnings])
    .filter(({ code }) => code !== 'TAG_RESOLVE_FAILED')
    .map(({ message }) => message)
}

async function policyFaults(text: string): Promise<readonly string[]> {
  const [, deleted] = /record: !policy (\S+)/.exec(text) ?? []
  try {
    // What is deleted has to be there; deleting is an update.
    const policy = deleted === undefined ? text : `- !policy ${deleted}`
    const server = await startDevserver({ http: true, policy, adminApiKey: ADMIN_KEY })
    const status = deleted === undefined ? 201 : await updated(server.url, text)
    await server.close()
    return status === 201 ? [] : [`the update is answered with ${status}`]
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

const ADMIN_KEY = '3ahcddy39rcxzh3ggac4cwk3j2r8pqwdg33059y835ys2rh2kzs2a'

async function updated(url: string, text: string): Promise<number> {
  const login = await fetch(`${url}/authn/dev/admin/authenticate`, {
    method: 'POST',
    body: ADMIN_KEY,
  })
  const token = Buffer.from(await login.text()).toString('base64')
  const headers = { authorization: `Token token="${token}"` }
  const reply = await fetch(`${url}/policies/dev/policy/root`, {
    method: 'PATCH',
    headers,
    body: text,
  })
  return reply.status
}

async function podFaults(text: string): Promise<readonly string[]> {
  const agents = [...text.matchAll(/^kind: Pod$/gm)].length === 0 ? [] : agentsOf(parse(text))
  const faults = await Promise.all(
    agents.map(async (environment) => {
      const given = { ...ENVIRONMENT, ...environment }
      const { problems } = await readConfig({
        flags: {},
        environment: given,
        annotations: undefined,
        file: undefined,
      })
      return problems.map(({ name, what }) => `${name} ${what}`)
    }),
  )
  return [...(await manifestFaults(text)), ...faults.flat()]
}

interface Named {
  readonly name: string
  readonly value?: string
}

/** The environment of each container of a pod that runs our image. */
function agentsOf(pod: {
  readonly spec?: {
    readonly initContainers?: readonly { image?: string; env?: readonly Named[] }[]
  }
}): readonly Readonly<Record<string, string>>[] {
  return (pod.spec?.initContainers ?? [])
    .filter(({ image = '' }) => image.includes('conjur-agent'))
    .map(({ env = [] }) => Object.fromEntries(env.map(({ name, value = '' }) => [name, value])))
}

async function injectorFaults(text: string): Promise<readonly string[]> {
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'injector.yaml')
  writeFileSync(file, text)
  return await loadSettings({
    command: 'injector',
    flags: { image: IMAGE, config: file },
    positionals: [],
    environment: ENVIRONMENT,
  }).then(
    () => [],
    (error: unknown) => [error instanceof Error ? error.message : String(error)],
  )
}

async function configFaults(text: string): Promise<readonly string[]> {
  const environment = ENVIRONMENT
  // As the agent reads it: every scalar is text.
  const file = parse(text, { schema: 'failsafe' })
  const { problems } = await readConfig({ flags: {}, environment, annotations: undefined, file })
  return problems.map(({ name, what }) => `${name} ${what}`)
}

/** Values of the chart that the page is about. */
async function valuesFaults(text: string, { page }: Block): Promise<readonly string[]> {
  if (helm === undefined) return []
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'values.yaml')
  writeFileSync(file, text)
  const chart =
    /conjur-agent-secrets/.test(pageText(page)) && /namespaces|mode: (job|standalone)/.test(text)
      ? SECRETS_CHART
      : CHART
  return await render(helm, { chart, files: [file] }).then(
    () => [],
    (error: unknown) => [error instanceof Error ? error.message : String(error)],
  )
}

async function fragmentFaults(text: string): Promise<readonly string[]> {
  const { metadata, annotations } = parse(text)
  return manifestFaults(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web', ...(metadata ?? { annotations }) },
      spec: { containers: [{ name: 'web', image: 'web' }] },
    }),
  )
}
