import { addMembership, type Store } from '../store.ts'
import { timestamp } from '../timestamp.ts'

/** The account with its administrator, who owns itself, and its root policy. */
export function createAccount(
  store: Store,
  account: string,
  admin: { readonly apiKey: string; readonly now: number },
): void {
  const owner = `${account}:user:admin`
  const root = `${account}:policy:root`
  const createdAt = timestamp(admin.now)
  for (const id of [owner, root]) {
    store.roles.set(id, { id, createdAt })
    store.resources.set(id, { id, owner, createdAt, annotations: [], permissions: [] })
  }
  store.credentials.set(owner, { apiKey: admin.apiKey, restrictedTo: [] })
  addMembership(store, { role: root, member: owner, admin: true, ownership: true })
}
