import { nearest } from '../core/nearest.ts'
import { PREFIX, type Notes } from './annotation-notes.ts'
import type { AnnotationPolicy } from './settings.ts'

/** Every annotation name we know, without `conjur.org/`. */
export interface KnownAnnotations {
  readonly names: ReadonlySet<string>
  readonly groupFields: ReadonlySet<string>
}

/** The annotations that would redirect a credential: ignored unless the administrator's policy names them in full. */
const trusted: readonly string[] = ['container-image', 'conjurConnConfig', 'jwt-token-path']

/** Whether an annotation counts: the administrator lets applications set it, and there is such a one. */
export function judgeName(
  name: string,
  { policy, known }: { readonly policy: AnnotationPolicy; readonly known: KnownAnnotations },
  { refused, ignored, warnings }: Notes & { readonly warnings: string[] },
): boolean {
  if (name === 'inject' || name === 'status') return true
  const { allow, deny, unknown } = policy
  const matches = (patterns: readonly string[]): boolean =>
    patterns.some((pattern) => matchesGlob(pattern, name))
  if (trusted.includes(name) && !allow.includes(name)) {
    ignored(name, 'the administrator decides that')
    return false
  }
  if (matches(deny) || !matches(allow)) {
    refused(name, "the administrator's annotation policy does not allow it")
    return false
  }
  if (!isKnown(name, known)) {
    const guess = nearestName(name, known)
    const what = `unknown annotation${guess === undefined ? '' : `; nearest: ${PREFIX}${guess}`}`
    if (unknown === 'warn') warnings.push(`${PREFIX}${name}: ${what}`)
    else refused(name, what)
    return false
  }
  if (name === 'secretless-config' || name === 'secretless-CRD-suffix') {
    ignored(name, 'Secretless is not part of this program')
  } else if (name === 'conjur-token-receivers') {
    warnings.push(`${PREFIX}${name} is an old name; write ${PREFIX}conjur-inject-volumes`)
  }
  return true
}

/** Whether an annotation has a meaning to us; of a group's the part before the dot counts. */
export function isKnown(name: string, { names, groupFields }: KnownAnnotations): boolean {
  const dot = name.indexOf('.')
  if (dot === -1) return names.has(name)
  return groupFields.has(name.slice(0, dot)) && dot < name.length - 1
}

/** The known annotation that a misspelt one probably means, with its group. */
export function nearestName(
  name: string,
  { names, groupFields }: KnownAnnotations,
): string | undefined {
  const dot = name.indexOf('.')
  const whole = nearest(name, names)
  if (whole !== undefined) return whole
  const field = dot === -1 ? name : name.slice(0, dot)
  const guess = groupFields.has(field) ? field : nearest(field, groupFields)
  if (guess === undefined) return undefined
  return `${guess}${dot === -1 || dot === name.length - 1 ? '.<group>' : name.slice(dot)}`
}

function matchesGlob(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return pattern === name
  const last = rest.at(-1) ?? ''
  if (!name.startsWith(first) || !name.endsWith(last)) return false
  let from = first.length
  for (const part of rest.slice(0, -1)) {
    const at = name.indexOf(part, from)
    if (at === -1) return false
    from = at + part.length
  }
  return from <= name.length - last.length
}
