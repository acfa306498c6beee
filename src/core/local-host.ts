import { isIP } from 'node:net'

/**
 * Whether a URL's hostname is this machine or its link: `localhost`, 127.0.0.0/8, `[::1]`,
 * 169.254.0.0/16, `[fe80::/10]` and AWS's `[fd00:ec2::/32]`.
 *
 * Settings that move a platform's own endpoint are honoured for these alone, and a proxy is never
 * used for them: the credential they yield must not leave the machine on the way to us.
 */
export function isLocalHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  switch (isIP(host)) {
    case 4:
      return host.startsWith('127.') || host.startsWith('169.254.')
    case 6:
      return host === '::1' || /^fe[89ab]/.test(host) || host.startsWith('fd00:ec2:')
    default:
      return host === 'localhost'
  }
}
