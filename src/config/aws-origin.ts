import { isLocalHost } from '../core/local-host.ts'
import { Secret } from '../core/secret.ts'
import { missing, problemOf, type Problem } from './problems.ts'

/** Where AWS credentials come from. */
export type AwsOrigin =
  | {
      readonly kind: 'static'
      readonly accessKeyId: string
      readonly secretAccessKey: Secret
      readonly sessionToken: Secret | undefined
    }
  | {
      readonly kind: 'web-identity'
      readonly tokenFile: string
      readonly roleArn: string
      readonly sessionName: string
    }
  | {
      readonly kind: 'container'
      readonly url: URL
      readonly authorization: Secret | { readonly file: string } | undefined
    }
  | { readonly kind: 'instance'; readonly baseUrl: URL }

type Found = AwsOrigin | Problem
type Read = (name: string) => string | undefined

const INSTANCE_METADATA = 'http://169.254.169.254'
const CONTAINER_METADATA = 'http://169.254.170.2'

/**
 * The first of AWS's places that the environment names: static keys, web identity, container,
 * instance. Only one is ever used; where it fails, that is the error.
 */
export function awsOrigin(environment: Readonly<Record<string, string | undefined>>): Found {
  const read: Read = (name) => environment[name]?.trim() || undefined
  return staticKeys(read) ?? webIdentity(read) ?? container(read) ?? instance(read)
}

function staticKeys(read: Read): Found | undefined {
  const id = read('AWS_ACCESS_KEY_ID')
  const secret = read('AWS_SECRET_ACCESS_KEY')
  if (id === undefined && secret === undefined) return undefined
  if (id === undefined) {
    return missing('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY alone is half a pair')
  }
  if (secret === undefined) {
    return missing('AWS_SECRET_ACCESS_KEY', 'AWS_ACCESS_KEY_ID alone is half a pair')
  }
  const session = read('AWS_SESSION_TOKEN')
  return {
    kind: 'static',
    accessKeyId: id,
    secretAccessKey: new Secret(secret),
    sessionToken: session === undefined ? undefined : new Secret(session),
  }
}

function webIdentity(read: Read): Found | undefined {
  const tokenFile = read('AWS_WEB_IDENTITY_TOKEN_FILE')
  if (tokenFile === undefined) return undefined
  const roleArn = read('AWS_ROLE_ARN')
  if (roleArn === undefined) {
    return missing('AWS_ROLE_ARN', 'AWS_WEB_IDENTITY_TOKEN_FILE is exchanged for this role')
  }
  const sessionName = read('AWS_ROLE_SESSION_NAME') ?? 'conjur-agent'
  return { kind: 'web-identity', tokenFile, roleArn, sessionName }
}

function container(read: Read): Found | undefined {
  const relative = read('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI')
  const full = read('AWS_CONTAINER_CREDENTIALS_FULL_URI')
  if (relative === undefined && full === undefined) return undefined
  if (relative !== undefined && full !== undefined) {
    return unfit(
      'AWS_CONTAINER_CREDENTIALS_FULL_URI',
      'is set beside AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; unset one of them',
    )
  }
  if (full === undefined) return ecsTask(relative ?? '')
  const token = read('AWS_CONTAINER_AUTHORIZATION_TOKEN')
  const file = read('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE')
  if (token !== undefined && file !== undefined) {
    return unfit(
      'AWS_CONTAINER_AUTHORIZATION_TOKEN',
      'is set beside AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE; unset one of them',
    )
  }
  const name = 'AWS_CONTAINER_CREDENTIALS_FULL_URI'
  if (!URL.canParse(full)) return unfit(name, 'is no URL')
  const url = new URL(full)
  if (!mayHoldCredentials(url)) {
    return unfit(name, `is plain http to ${url.host}, neither this machine nor an ECS or EKS agent`)
  }
  const given = token === undefined ? undefined : new Secret(token)
  return { kind: 'container', url, authorization: file === undefined ? given : { file } }
}

function ecsTask(relative: string): Found {
  if (!relative.startsWith('/')) {
    return unfit('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'does not begin with /')
  }
  // Joined as text: resolved as a reference, `//elsewhere/…` would be another host.
  return {
    kind: 'container',
    url: new URL(CONTAINER_METADATA + relative),
    authorization: undefined,
  }
}

function mayHoldCredentials(url: URL): boolean {
  if (url.protocol === 'https:') return true
  const host = url.hostname.replaceAll(/[[\]]/g, '')
  const isAgent = ['169.254.170.2', '169.254.170.23', 'fd00:ec2::23'].includes(host)
  const isLoopback = host === 'localhost' || host === '::1' || /^127\.\d/.test(host)
  return url.protocol === 'http:' && (isAgent || isLoopback)
}

function instance(read: Read): Found {
  if (read('AWS_EC2_METADATA_DISABLED')?.toLowerCase() === 'true') {
    return unfit('AWS_EC2_METADATA_DISABLED', 'is true, and no other AWS credentials are named')
  }
  const name = 'AWS_EC2_METADATA_SERVICE_ENDPOINT'
  const base = read(name) ?? INSTANCE_METADATA
  return URL.canParse(base) && isLocalHost(new URL(base).hostname)
    ? { kind: 'instance', baseUrl: new URL(base) }
    : unfit(name, 'may name a loopback or link-local host only')
}

function unfit(name: string, what: string): Problem {
  return problemOf({ from: 'environment', name }, what)
}
