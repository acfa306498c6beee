import { number, object, optional, picklist, safeParse, string, minValue, pipe } from 'valibot'
import { isSame } from '../api-key.ts'
import { faultKinds } from '../faults.ts'
import { failure, Halt, head, json, type Reply } from '../reply.ts'
import { basicCredentials } from './authenticate.ts'
import type { Call } from './call.ts'

const natural = pipe(number(), minValue(0))
const fault = object({
  kind: picklist(faultKinds),
  seconds: optional(natural),
  times: optional(natural),
  path: optional(string()),
  delaySeconds: optional(natural),
  retryAfterSeconds: optional(natural),
})

/** /devserver/faults: GET shows what is on, POST switches one on, DELETE clears all. No part of Conjur. */
export function faults(call: Call): Reply {
  requireAdmin(call)
  const { world, request } = call
  if (request.method === 'DELETE') {
    world.faults.clear()
    return head(204)
  }
  if (request.method === 'GET') return json({ faults: world.faults.active() })
  const asked = safeParse(fault, parsed(request.body))
  if (!asked.success) {
    return failure(422, {
      code: 'devserver_fault',
      message: `a fault is {"kind": one of ${faultKinds.join(', ')}, "seconds"?, "times"?, "path"?, "delaySeconds"?, "retryAfterSeconds"?}`,
    })
  }
  const { kind, seconds, times, path, delaySeconds, retryAfterSeconds } = asked.output
  world.faults.add({
    kind,
    times,
    path,
    retryAfterSeconds,
    forMs: seconds === undefined ? undefined : seconds * 1000,
    delayMs: delaySeconds === undefined ? undefined : delaySeconds * 1000,
  })
  return json({ faults: world.faults.active() }, 201)
}

/** /devserver/requests: GET counts requests by what they ask for, DELETE starts again at nothing. */
export function requests(call: Call): Reply {
  requireAdmin(call)
  const { counters } = call.world
  if (call.request.method === 'DELETE') {
    counters.requests.clear()
    return head(204)
  }
  return json(Object.fromEntries([...counters.requests].sort(([a], [b]) => (a < b ? -1 : 1))))
}

/** /devserver/keys: the API keys of all users and hosts, by login; for tests that log in as them. */
export function keys(call: Call): Reply {
  requireAdmin(call)
  const found = [...call.world.store.credentials].map(([id, { apiKey }]) => [id, apiKey])
  return json(Object.fromEntries(found))
}

function requireAdmin({ world, request, identity }: Call): void {
  const admin = `${world.settings.account}:user:admin`
  const [name, secret] = basicCredentials(request.header('authorization')) ?? []
  const key = world.store.credentials.get(admin)?.apiKey ?? ''
  if (identity?.roleId === admin) return
  if (name === 'admin' && isSame(Buffer.from(secret ?? ''), key)) return
  throw new Halt(head(identity === undefined ? 401 : 403))
}

function parsed(body: Buffer): unknown {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return value
  } catch {
    return undefined
  }
}
