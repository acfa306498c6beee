import type { Identity } from '../authorization.ts'
import { lacksPrivilege } from '../refusals.ts'
import { grantAdvice } from '../authn/access.ts'
import { notFound } from '../policy/draft.ts'
import { exception, failure, Halt, head } from '../reply.ts'
import type { Request } from '../request.ts'
import { isAllowed, isVisible, type Resource } from '../store.ts'
import type { World } from '../world.ts'
import { partsOf } from '../ids.ts'

/** One request on its way to a handler. */
export interface Call {
  readonly world: World
  readonly request: Request
  /** Parts of the path by name, decoded; absent where an optional one is missing. */
  readonly params: Readonly<Record<string, string | undefined>>
  readonly identity: Identity | undefined
}

/** The id of the role that calls. Halts with 500 where there is no token and 403 where the role is gone. */
export function callerOf({ world, request, identity }: Call): string {
  if (identity === undefined) {
    world.log('RuntimeError (No Conjur identity for current request)')
    throw new Halt(exception(500, request.header('accept')))
  }
  if (!world.store.roles.has(identity.roleId)) throw new Halt(head(403))
  return identity.roleId
}

/** The full id that a path names. */
export function resourceIdOf({ params }: Call): string {
  return `${params['account']}:${params['kind']}:${params['identifier']}`
}

/** The resource a path names. Halts with 404 where the caller may not know of it. */
export function visibleResource(call: Call): Resource {
  const id = resourceIdOf(call)
  const caller = callerOf(call)
  const resource = call.world.store.resources.get(id)
  if (resource === undefined || !isVisible(call.world.store, caller, resource)) {
    explainNotVisible(call, { id, caller, resource })
    throw new Halt(recordNotFound(id))
  }
  return resource
}

/** Halts with an empty 403 unless the caller has the privilege. */
export function authorize(call: Call, privilege: string, on: Resource): void {
  const caller = callerOf(call)
  if (isAllowed(call.world.store, caller, { privilege, on })) return
  const reason = grantAdvice(call.world.store, privilege, on)
  const refusal = lacksPrivilege(caller, { privilege, on: on.id }, reason)
  call.world.log(refusal.message)
  explain(call, {
    status: 403,
    code: refusal.code,
    because: `${partsOf(on.id).identifier}: ${reason.because}`,
    place: reason.place,
  })
  throw new Halt(head(403))
}

/** 404 for a record that is not there, or must not be known. */
export function recordNotFound(id: string): ReturnType<typeof failure> {
  const { kind } = partsOf(id)
  return failure(404, {
    code: 'not_found',
    message: notFound(id),
    target: kind,
    details: { code: 'not_found', target: 'id', message: id },
  })
}

/** 422 for a parameter that is missing or cannot be read. */
export function argumentError(message: string): Halt {
  return new Halt(failure(422, { code: 'argument_error', message }))
}

export function unprocessable(message: string): Halt {
  return new Halt(failure(422, { code: 'unprocessable_entity', message }))
}

/** 501 with a sentence: what this server does not do. */
export function notDone(what: string): Halt {
  return new Halt(
    failure(501, {
      code: 'not_implemented',
      message: `The devserver does not do this (${what}); conjur-agent devserver --help lists what it leaves out`,
    }),
  )
}

/** The role that a request asks on behalf of: the caller, or one that the caller holds. */
export function assumedRole(call: Call, asked: string | undefined): string {
  const caller = callerOf(call)
  if (asked === undefined || asked.trim() === '') return caller
  const { store } = call.world
  if (!store.roles.has(asked) || !store.heldBy(caller).has(asked)) throw new Halt(head(403))
  return asked
}

/** Writes one line of explanation for a refusal that has no token to speak of. */
export function explain(
  call: Call,
  refusal: {
    status: number
    code: string
    because: string
    place?: { file: string; line: number } | undefined
  },
): void {
  const { status, code, because, place } = refusal
  const who = call.identity?.login ?? 'nobody'
  call.world.explain(
    `${status} ${who} ${code} ${because}${place === undefined ? '' : ` (${place.file}:${place.line})`}`,
  )
}

function explainNotVisible(
  call: Call,
  seen: { id: string; caller: string; resource: Resource | undefined },
): void {
  const { identifier, kind } = partsOf(seen.id)
  const because =
    seen.resource === undefined
      ? `no policy declares ${kind} ${identifier}`
      : `${kind} ${identifier} exists, but ${call.identity?.login} has no privilege on it`
  explain(call, { status: 404, code: 'CONJ00076E', because, place: seen.resource?.place })
}
