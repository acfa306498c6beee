import { kindOf } from '../ids.ts'
import { fullId } from '../ids.ts'
import { Halt, head, json, type Reply } from '../reply.ts'
import { addMembership, byText, membersOf, removeMembership, type Membership } from '../store.ts'
import { authorize, recordNotFound, visibleResource, type Call } from './call.ts'

/** GET /roles/ACCOUNT/KIND/ID: a role with its members, or what the query asks of it. */
export function showRole(call: Call): Reply {
  const { query } = call.request
  const { id } = visibleResource(call)
  if (query.has('graph')) return graph(call, id)
  if (query.has('all')) return allMemberships(call, id)
  if (query.has('memberships'))
    return list(call, [...(call.world.store.memberships.get(id)?.values() ?? [])], 'role')
  if (query.has('members')) return members(call, id)
  const role = call.world.store.roles.get(id)
  return json({
    created_at: role?.createdAt,
    id,
    ...(role?.policy === undefined ? {} : { policy: role.policy }),
    members: membersOf(call.world.store, id).map(membershipJson),
  })
}

/** POST /roles/…?members&member=ID: adds a member. */
export function addMember(call: Call): Reply {
  const { world, request } = call
  const resource = visibleResource(call)
  const policy = world.store.resources.get(resource.policy ?? '')
  if (policy === undefined) throw new Halt(head(403))
  authorize(call, 'create', policy)
  const member = memberIn(call, request.query.get('member'))
  if (world.store.memberships.get(member)?.has(resource.id) !== true) {
    addMembership(world.store, { role: resource.id, member, admin: false, ownership: false })
    world.changed()
  }
  return head(204)
}

/** DELETE /roles/…?members&member=ID: takes a member away. */
export function removeMember(call: Call): Reply {
  const { world, request } = call
  const resource = visibleResource(call)
  const policy = world.store.resources.get(resource.policy ?? '')
  if (policy === undefined) throw new Halt(head(403))
  authorize(call, 'update', policy)
  const member = request.query.get('member') ?? ''
  if (removeMembership(world.store, resource.id, member) === undefined)
    throw new Halt(recordNotFound(member))
  world.changed()
  return head(204)
}

function memberIn({ world }: Call, id: string | undefined): string {
  if (id === undefined || !world.store.roles.has(id)) throw new Halt(recordNotFound(id ?? ''))
  return id
}

function members(call: Call, id: string): Reply {
  return list(call, membersOf(call.world.store, id), 'member')
}

function list(call: Call, all: readonly Membership[], end: 'role' | 'member'): Reply {
  const { query } = call.request
  const search = query.get('search')?.toLowerCase()
  const kinds = query.get('kind')
  const filter = query.get('filter') ?? query.get('filter[]')
  const wanted = filter === undefined ? undefined : fullId(filter, call.world.settings.account)
  const found = all
    .filter((each) => search === undefined || each[end].toLowerCase().includes(search))
    .filter((each) => kinds === undefined || kindOf(each[end]) === kinds)
    .filter((each) => wanted === undefined || each[end] === wanted)
    .sort((a, b) => byText(a[end], b[end]))
  if (query.has('count')) return json({ count: found.length })
  const offset = Number(query.get('offset') ?? 0)
  const limit = Number(query.get('limit') ?? (query.has('offset') ? 10 : Infinity))
  return json(found.slice(offset, offset + limit).map(membershipJson))
}

function allMemberships(call: Call, id: string): Reply {
  const { query } = call.request
  const filter = query.get('filter') ?? query.get('filter[]')
  const wanted = filter === undefined ? undefined : fullId(filter, call.world.settings.account)
  const held = [...call.world.store.heldBy(id)].filter(
    (each) => wanted === undefined || each === wanted,
  )
  return query.has('count') ? json({ count: held.length }) : json(held.sort(byText))
}

/** Parent and child of every grant that leads from or to a role. */
function graph(call: Call, id: string): Reply {
  const edges = new Map<string, { parent: string; child: string }>()
  const { store } = call.world
  for (const member of store.heldBy(id)) {
    for (const parent of store.memberships.get(member)?.keys() ?? [])
      edges.set(`${parent} ${member}`, { parent, child: member })
  }
  const below = [id]
  for (const parent of below) {
    for (const { member } of membersOf(store, parent)) {
      if (edges.has(`${parent} ${member}`)) continue
      edges.set(`${parent} ${member}`, { parent, child: member })
      below.push(member)
    }
  }
  return json([...edges.entries()].sort(([a], [b]) => byText(a, b)).map(([, edge]) => edge))
}

function membershipJson({
  admin,
  ownership,
  role,
  member,
  policy,
}: Membership): Record<string, unknown> {
  return {
    admin_option: admin,
    ownership,
    role,
    member,
    ...(policy === undefined ? {} : { policy }),
  }
}
