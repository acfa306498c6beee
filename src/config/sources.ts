import { ConfigError } from '../core/errors.ts'
import { isRecord } from '../core/json.ts'
import { parseAnnotations } from './annotations.ts'
import { groupSettings, settings, type GroupField } from './settings.ts'

/** One text and where the user typed it. */
export interface Raw {
  /** A text; of a config file also a list, where a setting takes one. */
  readonly value: unknown
  readonly from: 'flag' | 'annotation' | 'environment' | 'file'
  /** The name as typed there: `--log-level`, `conjur.org/log-level`, `LOG_LEVEL`, `logLevel`. */
  readonly name: string
}

export type SettingName = keyof typeof settings

/** Everything from outside, sorted by what it sets; nothing is interpreted yet. */
export interface Sources {
  /** By setting, the strongest source first. */
  readonly settings: ReadonlyMap<string, readonly Raw[]>
  /** By group name, then by field. */
  readonly groups: ReadonlyMap<string, ReadonlyMap<GroupField, readonly Raw[]>>
  /** Settings of further connections, by the connection's name; only a config file has them. */
  readonly connections: ReadonlyMap<string, ReadonlyMap<string, readonly Raw[]>>
  /** Keys that set nothing. */
  readonly unknown: readonly Raw[]
  /** Values of the config file that are of the wrong shape, and what is wrong with each. */
  readonly misshapen: readonly { readonly raw: Raw; readonly what: string }[]
  /** Lines of the annotations file that cannot be read. */
  readonly malformed: readonly number[]
  /** Values of settings that contradict P8: set where they may not be. */
  readonly untrusted: readonly Raw[]
}

/** What the process was given. */
export interface Given {
  readonly flags: Readonly<Record<string, string | boolean>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Text of the annotations file; undefined if there is none. */
  readonly annotations: string | undefined
  /** The config file, parsed; undefined if none was named. */
  readonly file: unknown
}

const PREFIX = 'conjur.org/'

/** Sorts flags, annotations, environment and config file by the setting they mean. */
export function gather(given: Given): Sources {
  const found = new Map<string, Raw[]>()
  const groups = new Map<string, Map<GroupField, Raw[]>>()
  const unknown: Raw[] = []
  const untrusted: Raw[] = []
  const misshapen: Sources['misshapen'][number][] = []
  const add = (name: string, raw: Raw): void => {
    if (isText(raw, misshapen)) found.set(name, [...(found.get(name) ?? []), raw])
  }
  const addToGroup = (group: string, field: GroupField, raw: Raw): void => {
    // The list of a group may be a list.
    if (field === 'secrets' ? isUnset(raw.value) : !isText(raw, misshapen)) return
    const fields = groups.get(group) ?? new Map<GroupField, Raw[]>()
    groups.set(group, fields.set(field, [...(fields.get(field) ?? []), raw]))
  }

  for (const [flag, value] of Object.entries(given.flags)) {
    const name = camelCase(flag)
    const raw: Raw = { value: String(value), from: 'flag', name: `--${flag}` }
    if (isSetting(name)) add(name, raw)
    else unknown.push(raw)
  }

  const annotations = parseAnnotations(given.annotations ?? '')
  for (const [key, value] of annotations.pairs) {
    if (!key.startsWith(PREFIX)) continue
    const raw: Raw = { value, from: 'annotation', name: key }
    const name = annotationNames.get(key.slice(PREFIX.length))
    const group = splitGroup(key.slice(PREFIX.length))
    if (name !== undefined) add(name, raw)
    else if (group !== undefined) addToGroup(group.group, group.field, raw)
    else if (trustNames.has(key.slice(PREFIX.length))) untrusted.push(raw)
    else unknown.push(raw)
  }

  for (const [variable, value] of Object.entries(given.environment)) {
    if (value === undefined) continue
    const raw: Raw = { value, from: 'environment', name: variable }
    const name = environmentNames.get(variable)
    const group = splitVariable(variable)
    if (name !== undefined) add(name, raw)
    else if (group !== undefined) addToGroup(group.group, group.field, raw)
    else if (variable.startsWith('CONJUR_')) unknown.push(raw)
  }

  const connections = new Map<string, Map<string, Raw[]>>()
  readFile(given.file, { add, addToGroup, unknown, connections, misshapen })
  return {
    settings: found,
    groups,
    connections,
    unknown,
    untrusted,
    misshapen,
    malformed: annotations.malformed,
  }
}

interface Into {
  readonly add: (name: string, raw: Raw) => void
  readonly addToGroup: (group: string, field: GroupField, raw: Raw) => void
  readonly unknown: Raw[]
  readonly misshapen: Sources['misshapen'][number][]
  readonly connections: Map<string, Map<string, Raw[]>>
}

function readFile(file: unknown, into: Into): void {
  if (file === undefined || file === null) return
  if (!isRecord(file)) {
    throw new ConfigError('CONFIG_UNREADABLE', 'the config file holds no mapping of settings', {
      hint: 'write it as docs/settings.md shows: one key a setting, groups under groups',
    })
  }
  const { add, addToGroup, unknown, misshapen, connections } = into
  for (const [name, value] of Object.entries(file)) {
    const raw: Raw = { value: asText(name, value), from: 'file', name }
    if (name === '$schema') continue
    if (isSetting(name)) add(name, raw)
    else if (name !== 'groups' && name !== 'connections') unknown.push(raw)
  }
  for (const [connection, fields] of members('connections', file['connections'], misshapen)) {
    const own = new Map<string, Raw[]>()
    connections.set(connection, own)
    for (const [field, value] of members(`connections.${connection}`, fields, misshapen)) {
      const key = `connections.${connection}.${field}`
      const raw: Raw = { value: asText(field, value), from: 'file', name: key }
      if (!isSetting(field)) unknown.push(raw)
      else if (isText(raw, misshapen)) own.set(field, [raw])
    }
  }
  for (const [group, fields] of members('groups', file['groups'], misshapen)) {
    for (const [field, value] of members(`groups.${group}`, fields, misshapen)) {
      const raw: Raw = {
        value: field === 'secrets' ? value : asText(field, value),
        from: 'file',
        name: `groups.${group}.${field}`,
      }
      if (isGroupField(field)) addToGroup(group, field, raw)
      else unknown.push(raw)
    }
  }
}

/** The members of a mapping; none where nothing is set, and what is no mapping is told. */
function members(
  name: string,
  value: unknown,
  misshapen: Into['misshapen'],
): readonly (readonly [string, unknown])[] {
  if (isUnset(value)) return []
  if (isRecord(value)) return Object.entries(value)
  misshapen.push({ raw: { value, from: 'file', name }, what: 'is no mapping of names to settings' })
  return []
}

/** Whether somebody set it, and to a text; what else a config file may hold there is told. */
function isText(raw: Raw, misshapen: Into['misshapen']): boolean {
  if (isUnset(raw.value)) return false
  if (typeof raw.value === 'string') return true
  misshapen.push({ raw, what: 'is no text; write one value' })
  return false
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'string' && value.trim() === '')
}

/** Every name a user can type, by the source it is typed in: what a misspelt one is compared with. */
export function knownNames(from: Raw['from']): readonly string[] {
  const fields = Object.keys(groupSettings)
  switch (from) {
    case 'flag':
      return Object.keys(settings).map((name) => `--${kebabCase(name)}`)
    case 'annotation':
      return [...annotationNames.keys()].map((name) => PREFIX + name)
    case 'environment':
      return [...environmentNames.keys(), ...groupVariables.keys(), 'CONJUR_CONFIG_FILE']
    case 'file':
      return [...Object.keys(settings), 'groups', 'connections', ...fields]
    default:
      return from satisfies never
  }
}

/** The setting's own flag, without dashes: `secretsRefreshInterval` → `secrets-refresh-interval`. */
export function kebabCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

function camelCase(flag: string): string {
  return flag.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

const annotationNames: ReadonlyMap<string, SettingName> = new Map(
  settingNames().flatMap((name) => {
    const row = settings[name]
    return 'annotation' in row ? [[row.annotation, name] as const] : []
  }),
)

/** What a trust setting would be called if it had an annotation. */
const trustNames: ReadonlySet<string> = new Set(
  settingNames()
    .filter((name) => !('annotation' in settings[name]))
    .map((name) => kebabCase(name)),
)

/** Other programs take these in lower case as well. */
const lowerCase: readonly (readonly [string, SettingName])[] = [
  ['https_proxy', 'httpsProxy'],
  ['no_proxy', 'noProxy'],
]

const environmentNames: ReadonlyMap<string, SettingName> = new Map([
  ...settingNames().map((name) => [settings[name].env, name] as const),
  ...lowerCase,
])

function splitGroup(key: string): { group: string; field: GroupField } | undefined {
  const dot = key.indexOf('.')
  const field = dot > 0 ? groupFields.get(key.slice(0, dot)) : undefined
  const group = key.slice(dot + 1)
  return field === undefined || group === '' ? undefined : { group, field }
}

function splitVariable(variable: string): { group: string; field: GroupField } | undefined {
  const at = variable.indexOf('__')
  const field = at > 0 ? groupVariables.get(variable.slice(0, at)) : undefined
  const group = variable
    .slice(at + 2)
    .toLowerCase()
    .replaceAll('_', '-')
  return field === undefined || group === '' ? undefined : { group, field }
}

const groupFields: ReadonlyMap<string, GroupField> = new Map(
  groupFieldNames().map((field) => [groupSettings[field].annotation, field]),
)

const groupVariables: ReadonlyMap<string, GroupField> = new Map(
  groupFieldNames().map((field) => [groupSettings[field].env, field]),
)

function settingNames(): readonly SettingName[] {
  return Object.keys(settings).filter((name) => isSetting(name))
}

function groupFieldNames(): readonly GroupField[] {
  return Object.keys(groupSettings).filter((name) => isGroupField(name))
}

function isSetting(name: string): name is SettingName {
  return Object.hasOwn(settings, name)
}

function isGroupField(name: string): name is GroupField {
  return Object.hasOwn(groupSettings, name)
}

/** A scalar as the text a user would have typed; a list too, for the settings whose text is one. */
function asText(name: string, value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) return value
  switch (name) {
    case 'k8sSecrets':
      return value.join(',')
    case 'reload':
      return value.join('\n')
    case 'identityCommand':
      return JSON.stringify(value)
    default:
      return value
  }
}
