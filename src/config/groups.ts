import { problemOf, type Note, type Problem } from './problems.ts'
import { parseReload, type ReloadAction } from './reload.ts'
import { parseSecretList, type Entry } from './secret-list.ts'
import { duration, Unfit } from './setting.ts'
import { groupSettings, type GroupField } from './settings.ts'
import type { Raw } from './sources.ts'

/** Variables that become one file (for `plain`: one file each). */
export interface SecretGroup {
  readonly name: string
  /** Where its values come from, if not from the one Conjur that everything else comes from. */
  readonly connection?: string
  /** Of a named connection the variable ids begin with its name and a colon. */
  readonly entries: readonly Entry[]
  /** Every variable under this policy path, instead of a list. */
  readonly fetchAll?: { readonly contentType: 'text' | 'base64'; readonly policyPath: string }
  /** Relative to the secrets directory; for `plain` a directory, empty for the secrets directory itself. */
  readonly path: string
  readonly format: Format
  /** Permission bits of the file. */
  readonly mode: number
  /** How old its files may be before the agent is no longer ready, in milliseconds. */
  readonly staleAfterMs?: number
  readonly template?: { readonly text: string } | { readonly file: string }
  /** What is done when the group's files have changed. */
  readonly reload?: readonly ReloadAction[]
}

const formats = ['yaml', 'json', 'dotenv', 'bash', 'properties', 'plain', 'template'] as const

export type Format = (typeof formats)[number]

type Fields = ReadonlyMap<GroupField, readonly Raw[]>

/** Where a template is looked for, and whether a file is there. */
export interface Templates {
  readonly directory: string
  readonly exists: (path: string) => boolean
}

/** Makes secret groups of what the user typed, in name order, with everything that is wrong with them. */
export async function readGroups(
  groups: ReadonlyMap<string, Fields>,
  templates: Templates,
): Promise<{
  groups: readonly SecretGroup[]
  problems: readonly Problem[]
  notes: readonly Note[]
}> {
  const problems: Problem[] = []
  const notes: Note[] = []
  const read: SecretGroup[] = []
  const taken = takenPaths()
  for (const [name, fields] of [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const group = await readGroup(name, fields, templates)
    problems.push(...group.problems)
    notes.push(...group.notes)
    if (group.group === undefined) continue
    read.push(group.group)
    const [source] = fields.get('path') ?? fields.get('secrets') ?? []
    for (const clash of taken.add(group.group)) {
      if (source !== undefined) {
        problems.push(problemOf(source, `writes ${clash.path}, as group ${clash.group} does`))
      }
    }
  }
  return { groups: read, problems, notes }
}

async function readGroup(
  name: string,
  fields: Fields,
  templates: Templates,
): Promise<{ group?: SecretGroup; problems: readonly Problem[]; notes: readonly Note[] }> {
  const problems: Problem[] = []
  const [secrets] = fields.get('secrets') ?? []
  if (secrets === undefined) {
    const [[field, raws] = []] = [...fields]
    const [other] = raws ?? []
    const wanting = field !== undefined && other !== undefined
    return {
      problems: wanting
        ? [problemOf(other, `sets a group without a list; add ${sibling(other, 'secrets')}`)]
        : [],
      notes: [],
    }
  }
  const list = await parseSecretList(secrets.value)
  problems.push(...list.problems.map((problem) => problemOf(secrets, problem)))
  const notes = list.warnings.map((warning): Note => ({
    level: 'warn',
    text: `${secrets.name}: ${warning}`,
  }))
  const format = readFormat(fields, problems)
  const mode = readMode(fields, problems)
  const staleAfterMs = readStaleAfter(fields, problems)
  const template = readTemplate(name, { fields, format, templates, problems })
  const path = readPath(name, { fields, format, template: template !== undefined, problems })
  const policyPath = textOf(fields, 'policyPath')?.replace(/^\/+/, '').replace(/\/+$/, '') ?? ''
  const prefix = policyPath === '' ? '' : `${policyPath}/`
  const connection = textOf(fields, 'connection')
  const connected = connection === undefined ? '' : `${connection}:`
  if (list.fetchAll !== undefined && connection !== undefined) {
    problems.push(
      problemOf(secrets, 'asks for all variables; of a named connection list them one by one'),
    )
  }
  if (list.fetchAll !== undefined && !['yaml', 'json', 'template', 'plain'].includes(format)) {
    problems.push(
      problemOf(secrets, `asks for all variables, whose paths hold /; ${format} cannot name them`),
    )
  }
  return {
    problems,
    notes,
    group: {
      name,
      ...(connection === undefined ? {} : { connection }),
      entries: list.entries.map((entry) => {
        const variableId = connected + prefix + withoutRoot(entry.variableId)
        return variableId === entry.variableId ? entry : { ...entry, variableId }
      }),
      ...(list.fetchAll === undefined
        ? {}
        : { fetchAll: { contentType: list.fetchAll, policyPath } }),
      path,
      format,
      mode,
      ...(staleAfterMs === undefined ? {} : { staleAfterMs }),
      ...(template === undefined ? {} : { template }),
      ...(fields.has('reload') ? { reload: readReload(fields, problems) } : {}),
    },
  }
}

/** An id may be typed from the root of the policy, as a path is. */
function withoutRoot(id: string): string {
  return id.startsWith('/') ? id.replace(/^\/+/, '') : id
}

function readFormat(fields: Fields, problems: Problem[]): Format {
  const [raw] = fields.get('format') ?? []
  if (raw === undefined) return fields.has('template') ? 'template' : 'yaml'
  const typed = String(raw.value).trim()
  const format = formats.find((candidate) => candidate === typed.toLowerCase())
  if (format === undefined)
    problems.push(problemOf(raw, `"${typed}" is not one of ${formats.join(', ')}`))
  return format ?? 'yaml'
}

/** `rw-r-----`, `-rw-r-----` or `0640`; the owner, who is the agent, must be able to read and write. */
function readMode(fields: Fields, problems: Problem[]): number {
  const [raw] = fields.get('permissions') ?? []
  if (raw === undefined) return 0o644
  const typed = String(raw.value).trim()
  const symbols = /^-?([r-][w-][x-]){3}$/.test(typed) ? typed.slice(-9) : undefined
  const octal = /^0?[0-7]{3}$/.test(typed) ? Number.parseInt(typed, 8) : undefined
  const mode =
    symbols === undefined
      ? octal
      : Array.from(symbols).reduce((bits, symbol) => bits * 2 + (symbol === '-' ? 0 : 1), 0)
  if (mode === undefined) problems.push(problemOf(raw, `"${typed}" is not like rw-r-----`))
  else if ((mode & 0o600) !== 0o600) {
    problems.push(
      problemOf(raw, `"${typed}" keeps the owner from reading and writing; begin with rw`),
    )
  }
  return mode ?? 0o644
}

function readStaleAfter(fields: Fields, problems: Problem[]): number | undefined {
  const [raw] = fields.get('staleAfter') ?? []
  if (raw === undefined) return undefined
  const typed = String(raw.value).trim()
  const ms = duration(typed)
  if (!(ms instanceof Unfit)) return ms
  problems.push(problemOf(raw, `"${typed}" ${ms.reason}`))
  return undefined
}

interface TemplateContext {
  readonly fields: Fields
  readonly format: Format
  readonly templates: Templates
  readonly problems: Problem[]
}

function readTemplate(
  group: string,
  { fields, format, templates, problems }: TemplateContext,
): SecretGroup['template'] {
  const [raw] = fields.get('template') ?? []
  const file = `${templates.directory}/${group}.tpl`
  const inFile = /^[\w.-]+$/.test(group) && templates.exists(file)
  if (raw !== undefined && format !== 'template') {
    problems.push(problemOf(raw, `needs the format template; the group's format is ${format}`))
  }
  if (raw !== undefined && inFile) {
    problems.push(problemOf(raw, `stands beside ${file}; keep one of them`))
  }
  if (raw !== undefined) return { text: String(raw.value) }
  if (inFile && format === 'template') return { file }
  const [wanting] = fields.get('format') ?? []
  if (format === 'template' && wanting !== undefined) {
    problems.push(
      problemOf(wanting, `has no template: set ${sibling(wanting, 'template')} or mount ${file}`),
    )
  }
  return undefined
}

function readReload(fields: Fields, problems: Problem[]): readonly ReloadAction[] {
  const [raw] = fields.get('reload') ?? []
  if (raw === undefined) return []
  const lines = Array.isArray(raw.value) ? raw.value : [raw.value]
  const actions = parseReload(lines.map(String).join('\n'))
  if (typeof actions === 'string') {
    problems.push(problemOf(raw, actions))
    return []
  }
  // What runs in the agent's container reaches the platform token: not for a pod to say (P8).
  if (raw.from === 'annotation' && actions.some(({ kind }) => kind === 'exec')) {
    problems.push(
      problemOf(
        raw,
        `holds exec, which no annotation may; set ${groupSettings.reload.env}__<GROUP>`,
      ),
    )
  }
  return actions
}

interface PathContext {
  readonly fields: Fields
  readonly format: Format
  readonly template: boolean
  readonly problems: Problem[]
}

function readPath(group: string, { fields, format, template, problems }: PathContext): string {
  const [raw] = fields.get('path') ?? []
  const typed = raw === undefined ? '' : String(raw.value).trim()
  const named = format === 'plain' ? '' : `${group}.${template ? 'out' : format}`
  const path = typed === '' || (typed.endsWith('/') && format !== 'plain') ? typed + named : typed
  const clean = path.replaceAll(/\/+/g, '/').replace(/^\.\//, '').replace(/\/$/, '')
  const why = escapes(clean)
  const [source] = fields.get('path') ?? fields.get('secrets') ?? []
  if (why !== undefined && source !== undefined) {
    problems.push(problemOf(source, `"${path}" ${why}; write a path inside the secrets directory`))
  }
  return clean
}

/** Linux takes no path of more bytes than 4,096; some are left for the directory before it. */
const LONGEST_PATH = 3072

function escapes(path: string): string | undefined {
  if (path.startsWith('/')) return 'is absolute'
  if (Buffer.byteLength(path) > LONGEST_PATH) return `is longer than ${LONGEST_PATH} bytes`
  const segments = path.split('/')
  if (segments.some((segment) => segment.startsWith('..'))) return 'has a part that begins with ..'
  if (segments.includes('.')) return 'has a part that is a single dot'
  // Directions of writing too: with them a path reads as another one.
  // Plain ASCII is seen first: a class of Unicode costs a millisecond of the start to make.
  if (!/^[ -~]*$/.test(path) && /[\p{Cc}\p{Bidi_Control}]/u.test(path))
    return 'holds a control character'
  if (segments.some((segment) => Buffer.byteLength(segment) > 255))
    return 'has a part longer than 255 bytes'
  return undefined
}

/** The files of the groups so far, and the directories above them: each group is looked up in it, then added to it. */
function takenPaths(): {
  add(group: SecretGroup): readonly { readonly path: string; readonly group: string }[]
} {
  const files = new Map<string, Set<string>>()
  const directories = new Map<string, Set<string>>()
  return {
    add(group) {
      const paths = filesOf(group)
        .filter((path) => path.length <= LONGEST_PATH)
        .map((path) => ({ path, above: above(path) }))
      const clashes = paths.flatMap(({ path, above }) => {
        const owners = new Set<string>(directories.get(path))
        for (const place of [path, ...above])
          files.get(place)?.forEach((owner) => owners.add(owner))
        return [...owners].toSorted().map((owner) => ({ path, group: owner }))
      })
      for (const { path, above } of paths) {
        addTo(files, path, group.name)
        for (const directory of above) addTo(directories, directory, group.name)
      }
      return clashes
    },
  }
}

function addTo(owners: Map<string, Set<string>>, path: string, group: string): void {
  owners.set(path, (owners.get(path) ?? new Set()).add(group))
}

/** The directories above a relative path: `a/b/c` has `a/b` and `a`. */
function above(path: string): readonly string[] {
  const at = path.lastIndexOf('/')
  return at === -1 ? [] : [path.slice(0, at), ...above(path.slice(0, at))]
}

/** The files that a group's list makes, relative to the secrets directory. */
export function filesOf(group: SecretGroup): readonly string[] {
  if (group.format !== 'plain') return [group.path]
  return group.entries.map(({ alias }) => (group.path === '' ? alias : `${group.path}/${alias}`))
}

function textOf(fields: Fields, field: GroupField): string | undefined {
  const [raw] = fields.get(field) ?? []
  return raw === undefined ? undefined : String(raw.value).trim()
}

/** The name under which another field of the same group is typed in the same source. */
function sibling(raw: Raw, field: GroupField): string {
  switch (raw.from) {
    case 'annotation':
      return `conjur.org/${groupSettings[field].annotation}${raw.name.slice(raw.name.indexOf('.', 11))}`
    case 'environment':
      return groupSettings[field].env + raw.name.slice(raw.name.indexOf('__'))
    case 'file':
    case 'flag':
      return `${raw.name.slice(0, raw.name.lastIndexOf('.'))}.${field}`
    default:
      return raw.from satisfies never
  }
}
