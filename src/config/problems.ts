import { ConfigError } from '../core/errors.ts'
import type { Raw } from './sources.ts'

/** One thing that is wrong with a configuration: where the user typed it, under which name, and what. */
export interface Problem {
  readonly place: string
  readonly name: string
  readonly what: string
  /** The setting to look up in help. */
  readonly setting?: string
}

/** Something worth one log line about a configuration that can be used. */
export interface Note {
  readonly level: 'info' | 'warn'
  readonly text: string
}

const PLACES: Readonly<Record<Raw['from'], string>> = {
  flag: 'command line',
  annotation: 'pod annotation',
  environment: 'environment',
  file: 'config file',
}

/** The problem of a text that a user typed somewhere. */
export function problemOf(raw: Pick<Raw, 'from' | 'name'>, what: string): Problem {
  return { place: PLACES[raw.from], name: raw.name, what, setting: raw.name }
}

/** The problem of a setting that nobody set. */
export function missing(name: string, what: string): Problem {
  return { place: 'not set', name, what, setting: name }
}

/** One error for all problems (P6), each with place and name in columns. */
export function configError(problems: readonly Problem[]): ConfigError {
  const place = Math.max(...problems.map((problem) => problem.place.length))
  const name = Math.max(...problems.map((problem) => problem.name.length))
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  const [topic] = problems.flatMap((problem) => problem.setting ?? [])
  return new ConfigError('CONFIG_INVALID', `${count}; nothing was sent`, {
    hint: `conjur-agent help ${topic ?? 'CONFIG_INVALID'} shows what a setting takes`,
    lines: problems.map(
      (problem) => `${problem.place.padEnd(place)}  ${problem.name.padEnd(name)}  ${problem.what}`,
    ),
    facts: { problems: problems.length },
  })
}
