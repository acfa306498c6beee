import { UsageError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { problemOf, type Note, type Problem } from './problems.ts'
import { foreignAnnotations, groupSettings } from './settings.ts'
import { knownNames, type Raw, type Sources } from './sources.ts'

const PREFIX = 'conjur.org/'

/** A flag that is neither the command's nor a setting makes the command line wrong, not the configuration. */
export function refuseUnknownFlags(found: Sources): void {
  const [raw] = found.unknown.filter(({ from }) => from === 'flag')
  if (raw === undefined) return
  const guess = nearestName(raw)
  throw new UsageError('USAGE', `there is no flag ${raw.name}`, {
    hint:
      guess === undefined
        ? 'conjur-agent help settings lists every setting; each is a flag'
        : `did you mean ${guess}?`,
  })
}

/** Keys that set nothing: an error where a known name is near, and in any source but annotations. */
export function strangers(found: Sources): readonly Problem[] {
  return [
    ...found.untrusted.map((raw) =>
      problemOf(raw, 'is a trust setting; only the administrator can set it, in the environment'),
    ),
    ...found.malformed.map((line) => ({
      place: 'pod annotations',
      name: `line ${line}`,
      what: 'is not key="value" as the downward API writes it',
    })),
    ...found.unknown.flatMap((raw) => {
      const guess = nearestName(raw)
      if (guess !== undefined) return [problemOf(raw, `unknown; nearest: ${guess}`)]
      return raw.from === 'annotation' ? [] : [problemOf(raw, 'unknown')]
    }),
  ]
}

/** Annotations like no known one: worth a warning, since other programs own keys under conjur.org too. */
export function distantStrangers(found: Sources): readonly Note[] {
  return found.unknown
    .filter((raw) => raw.from === 'annotation' && !isForeign(raw) && nearestName(raw) === undefined)
    .map((raw) => ({ level: 'warn', text: `${raw.name} is unknown and ignored` }))
}

function isForeign(raw: Raw): boolean {
  return foreignAnnotations.some((name) => raw.name === `conjur.org/${name}`)
}

/** The known name a misspelt one is nearest to; of a group's key the part before the dot is compared. */
function nearestName(raw: Raw): string | undefined {
  if (raw.from !== 'annotation') return nearest(raw.name, knownNames(raw.from))
  if (isForeign(raw)) return undefined
  const key = raw.name.slice(PREFIX.length)
  const dot = key.indexOf('.')
  const fields = Object.values(groupSettings).map((field) => field.annotation)
  const names = knownNames('annotation').map((name) => name.slice(PREFIX.length))
  const whole = nearest(key, [...names, ...foreignAnnotations])
  if (whole !== undefined) return PREFIX + whole
  const field = dot === -1 ? undefined : nearest(key.slice(0, dot), fields)
  return field === undefined ? undefined : PREFIX + field + key.slice(dot)
}
