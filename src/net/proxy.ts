import { BlockList, isIP } from 'node:net'
import { bareHost, isLocalHost } from '../core/local-host.ts'

/** The proxy of the environment, and what is reached without it. */
export interface ProxyRules {
  readonly proxy: URL | undefined
  /** As in `NO_PROXY`: names with those below them, `.names`, addresses, ranges, `:port`, or `*`. */
  readonly except: readonly string[]
}

/**
 * The proxy that a request to `target` goes through; undefined where it goes straight. A proxy is for
 * https alone, and never for this machine or its link.
 */
export function proxyFor(target: URL, { proxy, except }: ProxyRules): URL | undefined {
  if (proxy === undefined || target.protocol !== 'https:' || isLocalHost(target.hostname)) {
    return undefined
  }
  return except.some((rule) => isExcepted(target, rule.trim().toLowerCase())) ? undefined : proxy
}

function isExcepted(target: URL, rule: string): boolean {
  if (rule === '') return false
  if (rule === '*') return true
  const host = bareHost(target.hostname)
  if (rule.includes('/')) return isInRange(host, rule)
  const [, bracketed, plain, port] = /^(?:\[(.*)\]|([^:]*|.*:.*:.*))(?::(\d+))?$/.exec(rule) ?? []
  const name = bracketed ?? plain ?? ''
  if (port !== undefined && port !== (target.port || '443')) return false
  if (isIP(name) !== 0) return isInRange(host, `${name}/${isIP(name) === 4 ? 32 : 128}`)
  const bare = name.replace(/^\*?\./, '')
  return host.endsWith(`.${bare}`) || (host === bare && bare === name)
}

function isInRange(host: string, range: string): boolean {
  const [network = '', bits = ''] = range.split('/', 2)
  const [of, from] = [isIP(host), isIP(network)]
  if (of === 0 || of !== from || !/^\d{1,3}$/.test(bits)) return false
  if (Number(bits) > (of === 4 ? 32 : 128)) return false
  const family = of === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(network, Number(bits), family)
  return list.check(host, family)
}
