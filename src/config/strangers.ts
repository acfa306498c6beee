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

/**
 * What sets nothing as it stands: an annotation with a known name near, a key of the config file that
 * is unknown or of the wrong shape, a trust setting in an annotation.
 */
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
    ...found.misshapen.map(({ raw, what }) => problemOf(raw, what)),
    ...found.unknown.flatMap((raw) => {
      if (raw.from === 'environment') return []
      const guess = nearestName(raw)
      if (guess !== undefined) return [problemOf(raw, `unknown; nearest: ${guess}`)]
      return raw.from === 'annotation' ? [] : [problemOf(raw, 'unknown')]
    }),
  ]
}

/**
 * Worth a warning only, since other programs own such names too: annotations like no known one, and
 * variables that are nearly one of ours.
 */
export function distantStrangers(found: Sources): readonly Note[] {
  return found.unknown.flatMap((raw): readonly Note[] => {
    const guess = nearestName(raw)
    switch (raw.from) {
      case 'annotation':
        return isForeign(raw) || guess !== undefined
          ? []
          : [{ level: 'warn', text: `${raw.name} is unknown and ignored` }]
      case 'environment':
        return guess === undefined || raw.name === 'CONJUR_CONFIG_FILE'
          ? []
          : [{ level: 'warn', text: `${raw.name} is unknown and ignored; nearest: ${guess}` }]
      default:
        return []
    }
  })
}

function isForeign(raw: Raw): boolean {
  return foreignAnnotations.some((name) => raw.name === `conjur.org/${name}`)
}

/** The known name a misspelt one is nearest to; of a group's key the part before the dot is compared. */
function nearestName(raw: Raw): string | undefined {
  if (raw.from === 'file') {
    const at = raw.name.lastIndexOf('.') + 1
    const guess = nearest(raw.name.slice(at), knownNames('file'))
    return guess === undefined ? undefined : raw.name.slice(0, at) + guess
  }
  if (raw.from === 'environment') {
    const [name = '', group] = raw.name.split(/(?=__)/, 2)
    const guess = nearest(name, knownNames('environment'))
    return guess === undefined ? undefined : guess + (group ?? '')
  }
  if (raw.from === 'flag') return nearest(raw.name, knownNames('flag'))
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
