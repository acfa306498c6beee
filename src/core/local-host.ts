import { isIP } from 'node:net'

/** A URL's hostname as it is looked up and connected to: an IPv6 address without its brackets. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

/**
 * Whether a URL's hostname is this machine or its link: `localhost`, 127.0.0.0/8, `[::1]`,
 * 169.254.0.0/16, `[fe80::/10]` and AWS's `[fd00:ec2::/32]`.
 *
 * Settings that move a platform's own endpoint are honoured for these alone, and a proxy is never
 * used for them: the credential they yield must not leave the machine on the way to us.
 */
export function isLocalHost(hostname: string): boolean {
  const host = bareHost(hostname).toLowerCase()
  switch (isIP(host)) {
    case 4:
      return host.startsWith('127.') || host.startsWith('169.254.')
    case 6:
      return host === '::1' || /^fe[89ab]/.test(host) || host.startsWith('fd00:ec2:')
    default:
      return host === 'localhost'
  }
}

/**
 * Whether a URL's hostname is this machine, its link, or an address of a private range: 10/8,
 * 172.16/12, 192.168/16, fc00::/7. Names other than `localhost` are not, whatever they resolve to.
 */
export function isPrivateHost(hostname: string): boolean {
  if (isLocalHost(hostname)) return true
  const host = bareHost(hostname).toLowerCase()
  switch (isIP(host)) {
    case 4:
      return /^(10|192\.168|172\.(1[6-9]|2\d|3[01]))\./.test(host)
    case 6:
      return /^f[cd]/.test(host)
    default:
      return false
  }
}
