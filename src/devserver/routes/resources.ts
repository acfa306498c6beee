import { createHash } from 'node:crypto'
import { inflateRawSync } from 'node:zlib'
import { fullId, kindOf, partsOf } from '../ids.ts'
import { Halt, head, json, type Reply } from '../reply.ts'
import { byText, credentialsOf, isAllowed, isVisible, type Resource, type Store } from '../store.ts'
import {
  argumentError,
  assumedRole,
  callerOf,
  recordNotFound,
  unprocessable,
  visibleResource,
  type Call,
} from './call.ts'
import { timestamp } from '../timestamp.ts'
import { matchesSearch } from './search.ts'

const mostListed = 1000

/** GET /resources[/ACCOUNT[/KIND]]: what the caller may know of, by kind, text or owner. */
export function listResources(call: Call): Reply {
  const { world, request, params } = call
  callerOf(call)
  const { query } = request
  const page = pageOf(query)
  const role = assumedRole(call, query.get('role') || query.get('acting_as'))
  const owners = ownersOf(call, query.get('owner'))
  const kind = params['kind'] ?? query.get('kind')
  const account = params['account'] ?? query.get('account')
  const search = query.get('search')
  const found: Resource[] = []
  for (const resource of world.store.resources.values()) {
    const id = partsOf(resource.id)
    if (account !== undefined && id.account !== account) continue
    if (kind !== undefined && id.kind !== kind) continue
    if (owners !== undefined && !owners.has(resource.owner)) continue
    if (!isVisible(world.store, role, resource)) continue
    if (search !== undefined && search !== '' && !matchesSearch(resource, search)) continue
    found.push(resource)
  }
  found.sort((a, b) => byText(a.id, b.id))
  const shown = found.slice(page.offset, page.offset + page.limit)
  if (query.get('count') === 'true') return json({ count: shown.length })
  return json(shown.map((resource) => resourceJson(world.store, resource)))
}

/** GET /resources/ACCOUNT/KIND/ID: one resource, or what `check` and `permitted_roles` ask about it. */
export function showResource(call: Call): Reply {
  const { query } = call.request
  if (query.has('check')) return checkPermission(call)
  if (query.has('permitted_roles')) return permittedRoles(call)
  return json(resourceJson(call.world.store, visibleResource(call)))
}

/** A resource as the API shows it. */
function resourceJson(store: Store, resource: Resource): Record<string, unknown> {
  const shown: Record<string, unknown> = {
    created_at: resource.createdAt,
    id: resource.id,
    owner: resource.owner,
    ...(resource.policy === undefined ? {} : { policy: resource.policy }),
    permissions: resource.permissions.map(({ privilege, role, policy }) => ({
      privilege,
      role,
      policy,
    })),
    annotations: resource.annotations.map(({ name, value, policy }) => ({ name, value, policy })),
  }
  switch (kindOf(resource.id)) {
    case 'variable':
      shown['secrets'] = (store.secrets.get(resource.id) ?? []).map(({ version }) => ({
        version,
        expires_at: null,
      }))
      break
    case 'policy':
      shown['policy_versions'] = policyVersionsJson(store, resource.id)
      break
    case 'user':
    case 'host':
      shown['restricted_to'] = credentialsOf(store, resource.id).restrictedTo
      break
    case 'host_factory':
      shown['tokens'] = []
      shown['layers'] = [...(store.memberships.get(resource.id)?.keys() ?? [])].filter(
        (id) => kindOf(id) === 'layer',
      )
      break
  }
  return shown
}

function policyVersionsJson(store: Store, id: string): Record<string, unknown>[] {
  return (store.policyVersions.get(id) ?? []).map((each) => {
    const text = inflateRawSync(each.packed).toString('utf8')
    return {
      version: each.version,
      created_at: timestamp(each.createdAt),
      policy_text: text,
      policy_sha256: createHash('sha256').update(text).digest('hex'),
      finished_at: timestamp(each.finishedAt),
      client_ip: each.clientIp,
      id,
      role: each.role,
    }
  })
}

function checkPermission(call: Call): Reply {
  const { world, request } = call
  const privilege = request.query.get('privilege')
  if (privilege === undefined || privilege === '') throw argumentError('privilege')
  const role = assumedRole(call, request.query.get('role'))
  const resource = visibleResource(call)
  return head(isAllowed(world.store, role, { privilege, on: resource }) ? 204 : 404)
}

function permittedRoles(call: Call): Reply {
  const { world, request } = call
  const privilege = request.query.get('privilege') ?? request.query.get('permission')
  if (privilege === undefined) throw argumentError('privilege')
  const resource = visibleResource(call)
  const able = [...world.store.roles.keys()].filter((role) =>
    isAllowed(world.store, role, { privilege, on: resource }),
  )
  return json(able.sort(byText))
}

function ownersOf(call: Call, owner: string | undefined): ReadonlySet<string> | undefined {
  if (owner === undefined) return undefined
  const id = fullId(owner, call.params['account'] ?? call.world.settings.account)
  if (id === undefined) throw argumentError(`Expected at least 2 tokens in ${owner}`)
  if (!call.world.store.roles.has(id)) throw new Halt(recordNotFound(id))
  return call.world.store.heldBy(id)
}

function pageOf(query: ReadonlyMap<string, string>): { offset: number; limit: number } {
  const asked = { limit: query.get('limit'), offset: query.get('offset') }
  const isCount = query.has('count')
  if (!isCount) {
    const most = asked.limit ?? (asked.offset === undefined ? `${mostListed}` : undefined)
    const number = toInteger(most)
    if (number > mostListed && number !== 10_000)
      throw unprocessable(`'Limit' parameter must not exceed ${mostListed}`)
    if (asked.limit === undefined && asked.offset === undefined)
      return { offset: 0, limit: mostListed }
  }
  if (asked.limit !== undefined && !(isInteger(asked.limit) && Number(asked.limit) > 0)) {
    throw unprocessable("'limit' contains an invalid value. 'limit' must be a positive integer.")
  }
  if (asked.offset !== undefined && !(isInteger(asked.offset) && Number(asked.offset) >= 0)) {
    throw unprocessable(
      "'offset' contains an invalid value. 'offset' must be an integer greater than or equal to 0.",
    )
  }
  if (asked.limit === undefined && asked.offset === undefined) return { offset: 0, limit: Infinity }
  return { offset: Number(asked.offset ?? 0), limit: Number(asked.limit ?? 10) }
}

function isInteger(text: string): boolean {
  return /^-?(0|[1-9]\d*)$/.test(text)
}

/** As Ruby's to_i: the digits in front, else 0. */
function toInteger(text: string | undefined): number {
  return Number(/^\s*[+-]?\d+/.exec(text ?? '')?.[0] ?? 0)
}
