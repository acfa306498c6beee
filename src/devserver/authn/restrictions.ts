import { roleIdOf } from '../ids.ts'
import { roleNotFound } from '../refusals.ts'
import type { Annotation, Place } from '../store.ts'
import type { World } from '../world.ts'
import type { Attempt } from './attempt.ts'

/** What a host's annotation demands of a token. */
export interface Restriction {
  readonly name: string
  readonly value: string
  readonly place: Place
}

/**
 * Restrictions in the order of the annotations' names: `authn-azure/NAME`, or
 * `authn-azure/SERVICE/NAME`, which wins. Empty ones do not count.
 */
export function restrictionsOf(
  world: World,
  attempt: Attempt,
  login: string,
): readonly Restriction[] {
  const general = new RegExp(`^${escaped(attempt.authenticator)}/([^/]+)$`)
  const specific = new RegExp(
    `^${escaped(attempt.authenticator)}/${escaped(attempt.serviceId ?? '')}/([^/]+)$`,
  )
  const found = new Map<string, Restriction>()
  for (const annotation of annotationsOf(world, attempt, login)) {
    if (annotation.value.trim() === '') continue
    const own = attempt.serviceId === undefined ? undefined : specific.exec(annotation.name)?.[1]
    const shared = general.exec(annotation.name)?.[1]
    const name = own ?? shared
    if (name === undefined || (own === undefined && found.has(name))) continue
    found.set(name, { name, value: annotation.value, place: annotation.place })
  }
  return [...found.values()]
}

/** Restrictions for one service only: `authn-jwt/SERVICE/CLAIM`, where the claim may hold slashes. Empty ones count. */
export function serviceRestrictionsOf(
  world: World,
  attempt: Attempt,
  login: string,
): readonly Restriction[] {
  const prefix = `${attempt.authenticator}/${attempt.serviceId}/`
  return annotationsOf(world, attempt, login)
    .filter(({ name }) => name.startsWith(prefix))
    .map(({ name, value, place }) => ({ name: name.slice(prefix.length), value, place }))
}

/** Where a host is declared: the line to add an annotation to. */
export function placeOf(world: World, attempt: Attempt, login: string): Place | undefined {
  return world.store.resources.get(roleIdOf(attempt.account, login))?.place
}

function annotationsOf(world: World, attempt: Attempt, login: string): readonly Annotation[] {
  const role = roleIdOf(attempt.account, login)
  const resource = world.store.resources.get(role)
  if (resource === undefined) throw roleNotFound(role)
  return resource.annotations
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
