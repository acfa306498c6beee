import { isUtf8 } from 'node:buffer'
import { kindOf, identifierOf } from '../ids.ts'
import {
  exception,
  failure,
  Halt,
  head,
  json,
  rendered,
  withHeaders,
  type Reply,
} from '../reply.ts'
import { byText, isVisible, setValue, valueOf, type Resource } from '../store.ts'
import {
  argumentError,
  authorize,
  callerOf,
  explain,
  resourceIdOf,
  unprocessable,
  visibleResource,
  type Call,
} from './call.ts'

/** GET /secrets/ACCOUNT/variable/ID: the bytes of one value, unchanged. */
export function readSecret(call: Call): Reply {
  const { world } = call
  const id = resourceIdOf(call)
  const caller = callerOf(call)
  const version = call.request.query.get('version')
  const resource = world.store.resources.get(id)
  const what = version === undefined ? id : `version ${version} of ${id}`
  const missing = `CONJ00076E Variable ${id} is empty or not found.`
  if (resource === undefined || !isVisible(world.store, caller, resource)) {
    audit(call, { verb: 'fetch', what, id, error: resource === undefined ? missing : 'Forbidden' })
    world.log(missing)
    const because =
      resource === undefined
        ? `no policy declares variable ${identifierOf(id)}`
        : `variable ${identifierOf(id)} exists, but this role has no privilege on it`
    explain(call, { status: 404, code: 'CONJ00076E', because, place: resource?.place })
    throw new Halt(secretMissing(id))
  }
  authorizeAudited(call, { privilege: 'execute', resource, what })
  const value = version === undefined ? valueOf(world.store, id) : versionOf(call, id, version)
  if (value === undefined) {
    audit(call, { verb: 'fetch', what, id, error: missing })
    world.log(missing)
    explain(call, {
      status: 404,
      code: 'CONJ00076E',
      because: `${what.replace(id, identifierOf(id))} has no value yet`,
      place: resource.place,
    })
    throw new Halt(secretMissing(id))
  }
  audit(call, { verb: 'fetch', what, id })
  const type = resource.annotations.find(({ name }) => name === 'conjur/mime_type')?.value
  const reply = rendered(200, { type: type ?? 'application/octet-stream', body: value })
  return {
    ...reply,
    headers: [
      ...reply.headers,
      ['Content-Disposition', 'attachment'],
      ['Content-Transfer-Encoding', 'binary'],
    ],
  }
}

/** POST /secrets/ACCOUNT/KIND/ID: a new value. The one it has already makes no new version. */
export function writeSecret(call: Call): Reply {
  const { world, request, params } = call
  if (request.query.has('expirations')) return expireSecret(call)
  const resource = visibleResource(call)
  authorizeAudited(call, { privilege: 'update', resource, what: resource.id })
  if (
    params['kind'] === 'public_key' &&
    !/^ssh-(rsa|ed25519|ecdsa-[a-z0-9-]+) [A-Za-z0-9+/=]+ ?.*$/.test(request.body.toString())
  ) {
    throw argumentError('Invalid public key format')
  }
  if (/^\s*$/.test(request.body.toString('latin1'))) throw argumentError("'value' may not be empty")
  setValue(world.store, resource.id, Buffer.from(request.body))
  world.changed()
  audit(call, { verb: 'update', what: resource.id, id: resource.id })
  return head(201)
}

/** GET /secrets?variable_ids=…: many values, all or none. */
export function readSecrets(call: Call): Reply {
  const { world, request } = call
  const caller = callerOf(call)
  const ids = idsIn(request.query.get('variable_ids') ?? '')
  const found = [...new Set(ids)]
    .map((id) => world.store.resources.get(id))
    .filter((resource) => resource !== undefined)
    .sort((a, b) => byText(a.id, b.id))
  for (const resource of found) authorize(call, 'execute', resource)
  for (const { id } of found) {
    if (kindOf(id) === 'variable' && identifierOf(id).startsWith('data/dynamic/')) {
      throw unprocessable(`Issuer assigned to ${id} was not found`)
    }
  }
  if (found.length !== ids.length) {
    const absent = ids.find((id) => !world.store.resources.has(id))
    if (absent === undefined) return duplicateFailure(call)
    return batchMissing(call, absent, 'is declared by no policy')
  }
  const values = new Map<string, Buffer>()
  for (const { id } of found) {
    const value = valueOf(world.store, id)
    if (value === undefined) return batchMissing(call, id, 'has no value yet')
    world.log(`${caller} fetched ${id}`)
    values.set(id, value)
  }
  const asBase64 =
    !world.settings.dapEra && request.header('accept-encoding')?.toLowerCase() === 'base64'
  if (asBase64) return withHeaders(json(mapped(values, mimeBase64)), ['Content-Encoding', 'base64'])
  if ([...values.values()].some((value) => !isUtf8(value))) {
    const message =
      "CONJ00074E Issue encoding secret into JSON format, try including 'Accept-Encoding: base64' header in request."
    world.log(message)
    return failure(406, { code: 'not_acceptable', message })
  }
  return json(mapped(values, (value) => value.toString('utf8')))
}

function expireSecret(call: Call): Reply {
  if (call.params['kind'] !== 'variable')
    throw argumentError(`Invalid secret kind: ${call.params['kind']}`)
  authorize(call, 'update', visibleResource(call))
  return head(201)
}

function versionOf(call: Call, id: string, version: string): Buffer | undefined {
  if (!/^\s*[+-]?\d+\s*$/.test(version)) throw argumentError("invalid type for parameter 'version'")
  return call.world.store.secrets.get(id)?.find((each) => each.version === Number(version))?.value
}

/** Ids as the list names them; what ends in commas loses them, a blank elsewhere is an error. */
function idsIn(list: string): readonly string[] {
  const ids = list.replace(/,+$/, '').split(',')
  if (ids.includes('')) throw argumentError('variable_ids')
  return ids
}

/** The real server fails where an id is asked for twice: a client must survive that. */
function duplicateFailure(call: Call): Reply {
  call.world.log(
    "NoMethodError (undefined method `errors' for #<NoMethodError: undefined method `split' for nil:NilClass",
  )
  call.world.log("NoMethodError (undefined method `split' for nil:NilClass")
  explain(call, {
    status: 500,
    code: 'NoMethodError',
    because: 'an id is asked for twice in one batch; the real server fails on that too',
  })
  return exception(500, call.request.header('accept'))
}

function batchMissing(call: Call, id: string, why: string): Reply {
  call.world.log(`CONJ00076E Variable ${id} is empty or not found.`)
  explain(call, {
    status: 404,
    code: 'CONJ00076E',
    because: `${identifierOf(id) || id} ${why}`,
    place: call.world.store.resources.get(id)?.place,
  })
  return secretMissing(id)
}

function secretMissing(id: string): Reply {
  return failure(404, {
    code: 'not_found',
    message: `CONJ00076E Variable ${id} is empty or not found.`,
  })
}

function mapped(
  values: ReadonlyMap<string, Buffer>,
  encode: (value: Buffer) => string,
): Record<string, string> {
  return Object.fromEntries([...values].map(([id, value]) => [id, encode(value)]))
}

/** Base64 in lines of 60 characters, each ended. */
function mimeBase64(value: Buffer): string {
  return value.toString('base64').replace(/.{1,60}/g, '$&\n')
}

function authorizeAudited(
  call: Call,
  wish: { privilege: string; resource: Resource; what: string },
): void {
  try {
    authorize(call, wish.privilege, wish.resource)
  } catch (error) {
    const verb = wish.privilege === 'execute' ? 'fetch' : 'update'
    audit(call, { verb, what: wish.what, id: wish.resource.id, error: 'Forbidden' })
    throw error
  }
}

function audit(
  call: Call,
  done: { verb: 'fetch' | 'update'; what: string; id: string; error?: string },
): void {
  const caller = call.identity?.roleId ?? ''
  const past = done.verb === 'fetch' ? 'fetched' : 'updated'
  const message =
    done.error === undefined
      ? `${caller} ${past} ${done.what}`
      : `${caller} tried to ${done.verb} ${done.what}: ${done.error}`
  call.world.log(message)
  call.world.audit({
    event: done.verb,
    success: done.error === undefined,
    message,
    role: caller,
    resource: done.id,
    clientIp: call.request.clientIp,
    error: done.error,
  })
}
