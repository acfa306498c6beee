import { AgentError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { decodeBase64 } from './base64.ts'
import type { SetFile } from './file-set.ts'
import { renderList, type FormatEntry } from './formats.ts'
import { TemplateError } from './gotemplate/template-error.ts'
import { renderGroup } from './group-template.ts'
import type { Snapshot } from './output.ts'
import { groupPaths, plainPath, withEntries, type Entry, type SecretGroup } from './secret-group.ts'

/** What a pass does with the files of one group. A path in none of the three was never published and still is not. */
export interface GroupDecision {
  readonly files: ReadonlyMap<string, SetFile>
  readonly keep: readonly string[]
  readonly gone: readonly string[]
  /** How many values each path holds. */
  readonly values: ReadonlyMap<string, number>
  /** Why the group is kept although its values are known. */
  readonly error?: AgentError
  readonly notes?: readonly string[]
}

export interface DecisionOptions {
  /** The group's files that are on the volume. */
  readonly held: ReadonlySet<string>
  readonly formatCompatibility: 'safe' | 'secrets-provider'
}

/**
 * Decides on the files of one group (P4): nothing uncertain changes a file, nothing incomplete is
 * published for the first time, and an entry leaves only where the snapshot says so for certain.
 */
export function decideGroup(
  asked: SecretGroup,
  snapshot: Snapshot,
  options: DecisionOptions,
): GroupDecision {
  const group = withEntries(asked, snapshot.listed)
  if (group === undefined) return { ...nothing, keep: heldPaths(asked, options.held) }
  const isNew = heldPaths(group, options.held).length === 0
  const entries = group.entries.map((entry) => {
    const resolved = resolve(entry, snapshot)
    // An optional variable does not hold up the first publication: there is nothing yet to be kept.
    return isNew && resolved.state === 'unknown' && !entry.required ? withoutValue(entry) : resolved
  })
  const isComplete = entries.every(({ state, entry }) => state !== 'absent' || !entry.required)
  if (isNew && !(isComplete && entries.every(({ state }) => state !== 'unknown'))) return nothing
  return group.format === 'plain'
    ? decidePlain(group, entries)
    : decideList(group, entries, options)
}

type Resolved =
  | {
      readonly entry: Entry
      readonly state: 'value'
      readonly value: Secret
      readonly note?: string
    }
  | { readonly entry: Entry; readonly state: 'unknown' | 'absent' }

const nothing: GroupDecision = { files: new Map(), keep: [], gone: [], values: new Map() }

function resolve(entry: Entry, { values, unknown }: Snapshot): Resolved {
  const value = values.get(entry.variableId)
  if (value !== undefined && entry.contentType === 'text') return { entry, state: 'value', value }
  if (value !== undefined) return { entry, state: 'value', ...decodeValue(entry, value) }
  if (unknown.has(entry.variableId)) return { entry, state: 'unknown' }
  return withoutValue(entry)
}

function withoutValue(entry: Entry): Resolved {
  return entry.default === undefined
    ? { entry, state: 'absent' }
    : { entry, state: 'value', value: new Secret(entry.default) }
}

/** A value as the application gets it: of content type base64 the bytes that the text stands for. */
export function decodeValue(
  { alias, contentType }: Entry,
  value: Secret,
): { value: Secret; note?: string } {
  if (contentType === 'text') return { value }
  const bytes = decodeBase64(value)
  return bytes === undefined
    ? { value, note: `${alias} is not base64: delivered as it is` }
    : { value: bytes }
}

function decidePlain(group: SecretGroup, entries: readonly Resolved[]): GroupDecision {
  const files = new Map<string, SetFile>()
  const keep: string[] = []
  const gone: string[] = []
  for (const resolved of entries) {
    const path = plainPath(group, resolved.entry.alias)
    if (resolved.state === 'value') files.set(path, { content: resolved.value, mode: group.mode })
    else if (resolved.state === 'unknown') keep.push(path)
    else gone.push(path)
  }
  const values = new Map([...files.keys(), ...keep].map((path) => [path, 1]))
  return { files, keep, gone, values, notes: notes(entries) }
}

function decideList(
  group: SecretGroup,
  entries: readonly Resolved[],
  { formatCompatibility }: DecisionOptions,
): GroupDecision {
  const { path, mode } = group
  const kept = { ...nothing, keep: [path], values: new Map([[path, entries.length]]) }
  if (entries.some(({ state }) => state === 'unknown')) return kept
  // A template asks for its secrets by name: one that may be missing is empty there.
  const isNamed = group.format === 'template' && group.fetchAll === undefined
  const present: FormatEntry[] = []
  for (const resolved of entries) {
    const { alias, required } = resolved.entry
    if (resolved.state === 'value') present.push({ alias, value: resolved.value })
    else if (isNamed && !required) present.push({ alias, value: new Secret('') })
  }
  const isTextAlone = group.format === 'template' && entries.length === 0
  if (present.length === 0 && !isTextAlone) return { ...nothing, gone: [path] }
  try {
    const content = new Secret(render(present, group, formatCompatibility))
    return {
      ...nothing,
      files: new Map([[path, { content, mode }]]),
      values: new Map([[path, present.length]]),
      notes: notes(entries),
    }
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    if (asksForAbsent(error, entries)) return { ...nothing, gone: [path] }
    return { ...kept, error }
  }
}

/** The files of a group that are on the volume. Which files all variables made, only the volume knows. */
function heldPaths(group: SecretGroup, held: ReadonlySet<string>): string[] {
  if (group.fetchAll === undefined || group.format !== 'plain') {
    return groupPaths(group).filter((path) => held.has(path))
  }
  const prefix = group.path === '' ? '' : `${group.path}/`
  return [...held].filter((path) => path.startsWith(prefix))
}

function render(
  entries: readonly FormatEntry[],
  group: SecretGroup,
  compatibility: 'safe' | 'secrets-provider',
): Buffer {
  const { format, name } = group
  if (format === 'plain') throw new Error('plain is no single file')
  if (format === 'template') return renderGroup(group, entries, compatibility)
  return renderList(entries, { format, group: name, compatibility })
}

/** Whether a template fails because it asks for an entry that Conjur no longer has. */
function asksForAbsent(error: AgentError, entries: readonly Resolved[]): boolean {
  const { cause } = error
  return (
    cause instanceof TemplateError &&
    entries.some(({ state, entry }) => state === 'absent' && entry.alias === cause.missing)
  )
}

function notes(entries: readonly Resolved[]): string[] {
  const all: string[] = []
  for (const resolved of entries) {
    if (resolved.state === 'value' && resolved.note !== undefined) all.push(resolved.note)
  }
  return all
}
