/** A full id taken apart: `account:kind:identifier`; the identifier may hold further colons. */
export interface IdParts {
  readonly account: string
  readonly kind: string
  readonly identifier: string
}

/** Takes `account:kind:identifier` apart; parts that are missing come back empty. */
export function partsOf(id: string): IdParts {
  const first = id.indexOf(':')
  const second = first < 0 ? -1 : id.indexOf(':', first + 1)
  if (second < 0) {
    const [account = '', kind = ''] = id.split(':')
    return { account, kind, identifier: '' }
  }
  return {
    account: id.slice(0, first),
    kind: id.slice(first + 1, second),
    identifier: id.slice(second + 1),
  }
}

export function kindOf(id: string): string {
  return partsOf(id).kind
}

export function identifierOf(id: string): string {
  return partsOf(id).identifier
}

/** `alice` → `account:user:alice`, `host/apps/web` → `account:host:apps/web`: what stands before the first slash is the kind. */
export function roleIdOf(account: string, login: string): string {
  const slash = login.indexOf('/')
  return slash < 0
    ? `${account}:user:${login}`
    : `${account}:${login.slice(0, slash)}:${login.slice(slash + 1)}`
}

/** The inverse of {@link roleIdOf}: a user goes by its bare name, everything else by kind and name. */
export function loginOf(roleId: string): string {
  const { kind, identifier } = partsOf(roleId)
  return kind === 'user' ? identifier : `${kind}/${identifier}`
}

/** `kind:id` or `account:kind:id` → the full id; undefined where there is no colon at all. */
export function fullId(id: string, account: string): string | undefined {
  const colons = id.split(':').length - 1
  if (colons === 0) return undefined
  return colons === 1 ? `${account}:${id}` : id
}
