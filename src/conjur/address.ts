/** An authenticator by type and, but for authn and authn-gcp, service id. */
export interface Authenticator {
  readonly type:
    | 'authn-jwt'
    | 'authn-azure'
    | 'authn-oidc'
    | 'authn-gcp'
    | 'authn-iam'
    | 'authn-k8s'
    | 'authn'
  readonly serviceId: string | undefined
}

/** Where one account of one Conjur is. */
export interface Place {
  readonly applianceUrl: URL
  readonly account: string
}

/** The route of a login: the authenticator's path, the account, and the login as one encoded segment. */
export function authenticateUrl(
  { applianceUrl, account }: Place,
  { type, serviceId }: Authenticator,
  login: string | undefined,
): URL {
  const segments = [type, serviceId, account, login].filter((segment) => segment !== undefined)
  return below(applianceUrl, [...segments, 'authenticate'])
}

/** The route of one variable. Every slash of the id is encoded: repeated raw ones would collapse. */
export function variableUrl({ applianceUrl, account }: Place, variableId: string): URL {
  return below(applianceUrl, ['secrets', account, 'variable', variableId])
}

/** The route that says who an access token belongs to. */
export function whoamiUrl({ applianceUrl }: Place): URL {
  return below(applianceUrl, ['whoami'])
}

/** The route that lists installed, configured and enabled authenticators; it wants no token. */
export function authenticatorsUrl({ applianceUrl }: Pick<Place, 'applianceUrl'>): URL {
  return below(applianceUrl, ['authenticators'])
}

/** The route on which an authenticator says what it lacks; it wants a token that may read it. */
export function statusUrl({ applianceUrl, account }: Place, authenticator: Authenticator): URL {
  const { type, serviceId } = authenticator
  const segments = [type, serviceId, account, 'status'].filter((segment) => segment !== undefined)
  return below(applianceUrl, segments)
}

/** The route of one resource: its annotations, permissions and, of a variable, versions. */
export function resourceUrl(
  { applianceUrl, account }: Place,
  { kind, id }: { readonly kind: string; readonly id: string },
): URL {
  return below(applianceUrl, ['resources', account, kind, id])
}

/** The route that lists the resources of a kind, those that the token's role can see. */
export function resourcesUrl({ applianceUrl, account }: Place, kind: string): URL {
  const url = below(applianceUrl, ['resources', account, kind])
  url.search = '?limit=1000'
  return url
}

/** `acme:variable:apps/web/db-password`: how a batch names a variable. */
export function resourceId(account: string, variableId: string): string {
  return `${account}:variable:${variableId}`
}

/** The route of a batch of variables, in the order given. */
export function batchUrl({ applianceUrl, account }: Place, variableIds: readonly string[]): URL {
  const url = below(applianceUrl, ['secrets'])
  const prefix = encodeURIComponent(resourceId(account, ''))
  const ids = variableIds.map((id) => prefix + encodeURIComponent(id))
  url.search = `?variable_ids=${ids.join(',')}`
  return url
}

/** The longest request line that every server and proxy on the way takes, in bytes. */
export const LONGEST_REQUEST_LINE = 8192

/** Whether a batch can carry a variable: it splits ids at commas, and takes `data/dynamic/` for another kind. */
export function fitsBatch(variableId: string): boolean {
  return !variableId.includes(',') && !variableId.startsWith('data/dynamic/')
}

/** Parts `variableIds` into as few batches as the request line allows, keeping their order. */
export function splitBatches(
  place: Place,
  variableIds: readonly string[],
  limit: number = LONGEST_REQUEST_LINE,
): readonly (readonly string[])[] {
  const empty = batchUrl(place, [])
  const overhead = `GET ${empty.pathname}?variable_ids= HTTP/1.1\r\n`.length
  const prefix = encodeURIComponent(resourceId(place.account, '')).length + 1
  const batches: string[][] = []
  let batch: string[] = []
  let length = Number.POSITIVE_INFINITY
  for (const id of variableIds) {
    const size = prefix + encodeURIComponent(id).length
    if (length + size > limit) {
      batch = []
      batches.push(batch)
      length = overhead
    }
    batch.push(id)
    length += size
  }
  return batches
}

function below(base: URL, segments: readonly string[]): URL {
  const url = new URL(base)
  const path = segments.map((segment) => encodeURIComponent(segment)).join('/')
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`
  return url
}
