import { PolicyInvalid, PolicyUnresolved } from '../policy/entry.ts'
import { RecordInvalid, RecordUnknown } from '../policy/draft.ts'
import { rehearsePolicy } from '../policy/dry-run.ts'
import { DeletionNotAllowed, loadPolicy } from '../policy/load.ts'
import type { LoadMode, PolicyLoad } from '../policy/policy-load.ts'
import { failure, Halt, head, json, type Reply } from '../reply.ts'
import { isAllowed, type Resource } from '../store.ts'
import { authorize, callerOf, visibleResource, type Call } from './call.ts'

const modes: Readonly<Record<string, LoadMode>> = {
  POST: 'create',
  PATCH: 'modify',
  PUT: 'replace',
}

/** POST, PATCH and PUT /policies/ACCOUNT/policy/ID: adds to a branch, changes it, replaces it. */
export function loadPolicyText(call: Call): Reply {
  const { world, request } = call
  const caller = callerOf(call)
  const mode = modes[request.method] ?? 'create'
  const policy = visibleResource(call)
  authorize(call, mode === 'create' ? 'create' : 'update', policy)
  if (mode === 'replace') requireWholeBranch(call, policy)
  const isRehearsal = request.query.get('dryRun')?.trim().toLowerCase() === 'true'
  const load: PolicyLoad = {
    text: request.body.toString('utf8'),
    file: 'policy',
    policy: policy.id,
    mode,
    now: world.now(),
    role: caller,
    clientIp: request.clientIp,
  }
  if (isRehearsal) return rehearse(call, load)
  if (load.text.trim() === '') return notPresent()
  try {
    const loaded = loadPolicy(world.store, load)
    world.changed()
    audit(call, policy.id, undefined)
    const created = loaded.created.map(({ id, apiKey }) => [id, { id, api_key: apiKey }])
    return json(
      {
        created_roles: Object.fromEntries(created),
        version: loaded.version,
        ...(loaded.warnings.length === 0 ? {} : { warnings: loaded.warnings }),
      },
      201,
    )
  } catch (error) {
    const reply = refusal(error)
    if (reply === undefined) throw error
    audit(call, policy.id, error instanceof Error ? error.message : '')
    return reply
  }
}

/** `?dryRun=true`: what would change, or what is wrong with the text; nothing is kept. */
function rehearse(call: Call, load: PolicyLoad): Reply {
  try {
    if (load.text.trim() === '') throw new PolicyUnresolved('policy_text is not present')
    return json(rehearsePolicy(call.world.store, load))
  } catch (error) {
    const isWrong = refusal(error) !== undefined
    if (!isWrong || !(error instanceof Error)) throw error
    const at =
      error instanceof PolicyInvalid
        ? { line: error.line, column: error.column }
        : { line: null, column: null }
    const message =
      error instanceof DeletionNotAllowed
        ? 'policy_text may not contain deletion statements'
        : error.message
    return json({ status: 'Invalid YAML', errors: [{ ...at, message: `${message}\n` }] }, 422)
  }
}

/** The reply for a policy text that cannot be loaded; undefined for what is no such error. */
function refusal(error: unknown): Reply | undefined {
  if (error instanceof PolicyInvalid) {
    const { line, column } = error
    const inner = { code: 'policy_invalid', filename: 'policy', line, column }
    const message = `Error at line ${line}, column ${column} in policy : ${error.message}`
    return failure(422, { code: 'policy_invalid', message, innererror: inner })
  }
  if (
    error instanceof PolicyUnresolved ||
    error instanceof RecordUnknown ||
    error instanceof RecordInvalid
  ) {
    return failure(422, { code: 'policy_invalid', message: error.message })
  }
  if (error instanceof DeletionNotAllowed)
    return validationFailed('may not contain deletion statements')
  return undefined
}

function notPresent(): Reply {
  return validationFailed('is not present')
}

function validationFailed(message: string): Reply {
  return failure(422, {
    code: 'validation_failed',
    message: `policy_text ${message}`,
    details: [{ code: 'validation_failed', target: 'policy_text', message }],
  })
}

/** Replacing a branch needs the privilege on everything below it. */
function requireWholeBranch(call: Call, policy: Resource): void {
  const { world } = call
  const caller = callerOf(call)
  const below: string[] = [policy.id]
  for (const id of below) {
    for (const resource of world.store.resources.values()) {
      if (
        resource.owner === id &&
        !below.includes(resource.id) &&
        resource.id.split(':')[1] === 'policy'
      )
        below.push(resource.id)
    }
  }
  for (const id of below) {
    const resource = world.store.resources.get(id)
    if (
      resource === undefined ||
      isAllowed(world.store, caller, { privilege: 'update', on: resource })
    )
      continue
    world.log(
      `CONJ00136E '${caller}' does not have 'update' privilege on some children of ${policy.id}`,
    )
    throw new Halt(head(403))
  }
}

function audit(call: Call, policy: string, error: string | undefined): void {
  const caller = call.identity?.roleId ?? ''
  const message =
    error === undefined ? `${caller} loaded ${policy}` : `Failed to load policy: ${error}`
  call.world.log(message)
  call.world.audit({
    event: 'policy',
    success: error === undefined,
    message,
    role: caller,
    resource: policy,
    clientIp: call.request.clientIp,
    error,
  })
}
