import { readFile, rename, writeFile } from 'node:fs/promises'
import {
  array,
  boolean,
  literal,
  number,
  object,
  optional,
  parse,
  record,
  string,
  type InferOutput,
} from 'valibot'
import { addMembership, type Store } from './store.ts'
import type { TokenKey } from './tokens.ts'

/** A state file: what the server knows, kept between starts. It holds values and keys: mode 0600. */
export interface State {
  /** The signing key of the file, so that tokens outlive a restart; undefined for a new file or none. */
  readonly tokenKeyPem: string | undefined
  /** Writes the file soon; many changes become one writing. */
  save(store: Store, tokenKey: () => Promise<TokenKey>): void
  /** Waits until what was to be saved is on disk. Throws where the last writing failed. */
  flush(): Promise<void>
}

const schema = 'conjur-agent/devserver-state/v1'
const place = object({ file: string(), line: number() })
const permission = object({ privilege: string(), role: string(), policy: string(), place })
const annotation = object({ name: string(), value: string(), policy: string(), place })
const file = object({
  schema: literal(schema),
  tokenKey: string(),
  roles: array(object({ id: string(), policy: optional(string()), createdAt: string() })),
  resources: array(
    object({
      id: string(),
      owner: string(),
      policy: optional(string()),
      createdAt: string(),
      annotations: array(annotation),
      permissions: array(permission),
      place: optional(place),
    }),
  ),
  memberships: array(
    object({
      role: string(),
      member: string(),
      admin: boolean(),
      ownership: boolean(),
      policy: optional(string()),
      place: optional(place),
    }),
  ),
  credentials: record(
    string(),
    object({
      apiKey: string(),
      rotatedAt: optional(number()),
      passwordHash: optional(string()),
      restrictedTo: array(string()),
    }),
  ),
  secrets: record(string(), array(object({ version: number(), value: string() }))),
  enabled: array(string()),
  policyVersions: record(
    string(),
    array(
      object({
        version: number(),
        packed: string(),
        createdAt: number(),
        finishedAt: number(),
        clientIp: string(),
        role: string(),
      }),
    ),
  ),
})

/** Reads a state file into an empty store. No path, or no file there: the store stays as it is. */
export async function openState(path: string | undefined, store: Store): Promise<State> {
  if (path === undefined) return { tokenKeyPem: undefined, save() {}, async flush() {} }
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  const tokenKeyPem = text === undefined ? undefined : restore(store, text)
  let writing: Promise<void> = Promise.resolve()
  let failure: unknown
  let isDue = false
  const write = async (now: Store, tokenKey: () => Promise<TokenKey>): Promise<void> => {
    const { pem } = await tokenKey()
    isDue = false
    await writeFile(`${path}.new`, dump(now, pem), { mode: 0o600 })
    await rename(`${path}.new`, path)
    failure = undefined
  }
  return {
    tokenKeyPem,
    save(now, tokenKey) {
      if (isDue) return
      isDue = true
      writing = writing
        .then(() => write(now, tokenKey))
        .catch((error: unknown) => {
          failure = error
        })
    },
    async flush() {
      await writing
      if (failure === undefined) return
      const code = failure instanceof Error && 'code' in failure ? ` (${String(failure.code)})` : ''
      throw new Error(`the file of --state cannot be written${code}`, { cause: failure })
    },
  }
}

function restore(store: Store, text: string): string {
  const state = readState(text)
  for (const { policy, ...role } of state.roles) {
    store.roles.set(role.id, policy === undefined ? role : { ...role, policy })
  }
  for (const { policy, place, ...resource } of state.resources) {
    store.resources.set(resource.id, {
      ...resource,
      ...(policy === undefined ? {} : { policy }),
      ...(place === undefined ? {} : { place }),
    })
  }
  for (const { policy, place, ...membership } of state.memberships) {
    addMembership(store, {
      ...membership,
      ...(policy === undefined ? {} : { policy }),
      ...(place === undefined ? {} : { place }),
    })
  }
  for (const [id, { passwordHash, rotatedAt, ...credentials }] of Object.entries(
    state.credentials,
  )) {
    store.credentials.set(id, {
      ...credentials,
      ...(passwordHash === undefined ? {} : { passwordHash }),
      ...(rotatedAt === undefined ? {} : { rotatedAt }),
    })
  }
  for (const [id, versions] of Object.entries(state.secrets)) {
    store.secrets.set(
      id,
      versions.map(({ version, value }) => ({ version, value: Buffer.from(value, 'base64') })),
    )
  }
  for (const id of state.enabled) store.enabled.add(id)
  for (const [id, versions] of Object.entries(state.policyVersions)) {
    store.policyVersions.set(
      id,
      versions.map((each) => ({ ...each, packed: Buffer.from(each.packed, 'base64') })),
    )
  }
  return state.tokenKey
}

function readState(text: string): InferOutput<typeof file> {
  try {
    const parsed: unknown = JSON.parse(text)
    return parse(file, parsed)
  } catch {
    throw new Error(`the file of --state is no state of a devserver (${schema})`)
  }
}

function dump(store: Store, tokenKey: string): string {
  return JSON.stringify({
    schema,
    tokenKey,
    roles: [...store.roles.values()],
    resources: [...store.resources.values()],
    memberships: [...store.memberships.values()].flatMap((held) => [...held.values()]),
    credentials: Object.fromEntries(store.credentials),
    secrets: Object.fromEntries(
      [...store.secrets].map(([id, versions]) => [
        id,
        versions.map(({ version, value }) => ({ version, value: value.toString('base64') })),
      ]),
    ),
    enabled: [...store.enabled],
    policyVersions: Object.fromEntries(
      [...store.policyVersions].map(([id, versions]) => [
        id,
        versions.map((each) => ({ ...each, packed: each.packed.toString('base64') })),
      ]),
    ),
  })
}
