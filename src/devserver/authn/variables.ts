import { missingResource, missingValue } from '../refusals.ts'
import { valueOf } from '../store.ts'
import type { World } from '../world.ts'
import type { Attempt } from './attempt.ts'

/** The full id of an authenticator's variable. */
export function variableId(attempt: Attempt, name: string): string {
  return `${attempt.account}:variable:conjur/${attempt.authenticator}/${attempt.serviceId}/${name}`
}

/** Whether policy declares the variable: that alone switches its feature on. */
export function isDeclared(world: World, attempt: Attempt, name: string): boolean {
  return world.store.resources.has(variableId(attempt, name))
}

/** The value of a variable that must be there. Throws CONJ00036E or CONJ00037E. */
export function required(world: World, attempt: Attempt, name: string): string {
  const id = variableId(attempt, name)
  const resource = world.store.resources.get(id)
  if (resource === undefined) throw missingResource(id)
  const value = valueOf(world.store, id)
  if (value === undefined || value.length === 0) {
    throw missingValue(id, { because: `${id} has no value`, place: resource.place })
  }
  return value.toString('utf8')
}

/** The value of a variable that is declared only where it is wanted. Throws CONJ00037E where it has none. */
export function declared(world: World, attempt: Attempt, name: string): string | undefined {
  return isDeclared(world, attempt, name) ? required(world, attempt, name) : undefined
}

/** The value of a variable that may be missing or unset. */
export function optional(world: World, attempt: Attempt, name: string): string | undefined {
  return valueOf(world.store, variableId(attempt, name))?.toString('utf8')
}
