import { isIP } from 'node:net'

import { isLocalHost } from '../core/local-host.ts'
import { Secret } from '../core/secret.ts'

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

/** A variable that cannot be used as it is, and why. */
export interface VariableProblem {
  readonly name: string
  readonly what: string
}

type Environment = Readonly<Record<string, string | undefined>>
type Found = AwsOrigin | VariableProblem

const INSTANCE_METADATA = 'http://169.254.169.254'
const CONTAINER_METADATA = 'http://169.254.170.2'

/**
 * The first of AWS's places that the environment names: static keys, web identity, container,
 * instance. Only one is ever used; where it fails, that is the error.
 */
export function awsOrigin(environment: Environment): Found {
  const read = (name: string): string | undefined => environment[name]?.trim() || undefined
  return staticKeys(read) ?? webIdentity(read) ?? container(read) ?? instance(read)
}

type Read = (name: string) => string | undefined

function staticKeys(read: Read): Found | undefined {
  const id = read('AWS_ACCESS_KEY_ID')
  const secret = read('AWS_SECRET_ACCESS_KEY')
  if (id === undefined && secret === undefined) return undefined
  if (id === undefined)
    return { name: 'AWS_ACCESS_KEY_ID', what: 'is not set beside AWS_SECRET_ACCESS_KEY' }
  if (secret === undefined) {
    return { name: 'AWS_SECRET_ACCESS_KEY', what: 'is not set beside AWS_ACCESS_KEY_ID' }
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
    return { name: 'AWS_ROLE_ARN', what: 'is not set beside AWS_WEB_IDENTITY_TOKEN_FILE' }
  }
  return {
    kind: 'web-identity',
    tokenFile,
    roleArn,
    sessionName: read('AWS_ROLE_SESSION_NAME') ?? 'conjur-agent',
  }
}

function container(read: Read): Found | undefined {
  const relative = read('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI')
  const full = read('AWS_CONTAINER_CREDENTIALS_FULL_URI')
  if (relative === undefined && full === undefined) return undefined
  if (relative !== undefined && full !== undefined) {
    return {
      name: 'AWS_CONTAINER_CREDENTIALS_FULL_URI',
      what: 'is set beside AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; unset one of them',
    }
  }
  const token = read('AWS_CONTAINER_AUTHORIZATION_TOKEN')
  const file = read('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE')
  if (token !== undefined && file !== undefined) {
    return {
      name: 'AWS_CONTAINER_AUTHORIZATION_TOKEN',
      what: 'is set beside AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE; unset one of them',
    }
  }
  if (relative !== undefined) {
    if (!relative.startsWith('/')) {
      return { name: 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', what: 'does not begin with /' }
    }
    // The host is put in front as text: `//elsewhere/…` must not become another host.
    return {
      kind: 'container',
      url: new URL(CONTAINER_METADATA + relative),
      authorization: undefined,
    }
  }
  const name = 'AWS_CONTAINER_CREDENTIALS_FULL_URI'
  if (full === undefined || !URL.canParse(full)) return { name, what: 'is no URL' }
  const url = new URL(full)
  if (!mayHoldCredentials(url)) {
    return {
      name,
      what: `is plain http to ${url.host}, which is neither this machine nor an ECS or EKS agent`,
    }
  }
  return {
    kind: 'container',
    url,
    authorization:
      file === undefined ? (token === undefined ? undefined : new Secret(token)) : { file },
  }
}

function mayHoldCredentials(url: URL): boolean {
  if (url.protocol === 'https:') return true
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const isAgent = ['169.254.170.2', '169.254.170.23', 'fd00:ec2::23'].includes(host)
  const isLoopback =
    host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
  return url.protocol === 'http:' && (isAgent || isLoopback)
}

function instance(read: Read): Found {
  if (read('AWS_EC2_METADATA_DISABLED')?.toLowerCase() === 'true') {
    return {
      name: 'AWS_EC2_METADATA_DISABLED',
      what: 'is true, and no other place for AWS credentials is named',
    }
  }
  const name = 'AWS_EC2_METADATA_SERVICE_ENDPOINT'
  const base = read(name) ?? INSTANCE_METADATA
  if (!URL.canParse(base) || !isLocalHost(new URL(base).hostname)) {
    return { name, what: 'may name a loopback or link-local host only' }
  }
  return { kind: 'instance', baseUrl: new URL(base) }
}
