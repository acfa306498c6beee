import { BlockList, isIP } from 'node:net'

/** Whether an address lies in a range such as `10.0.0.0/8`, or is the address that stands there. */
export function contains(range: string, address: string): boolean {
  const [net = '', bits] = range.split('/')
  const family = isIP(net) === 6 ? 'ipv6' : 'ipv4'
  const list = new BlockList()
  try {
    list.addSubnet(net, bits === undefined ? whole(family) : Number(bits), family)
    return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  } catch {
    return false
  }
}

/** A range as the server keeps it: a single address has its full mask. Undefined for anything else. */
export function normalRange(text: string): string | undefined {
  const [net = '', bits, ...rest] = text.split('/')
  const version = isIP(net)
  if (version === 0 || rest.length > 0) return undefined
  const most = version === 6 ? 128 : 32
  if (bits === undefined) return `${net}/${most}`
  return /^\d{1,3}$/.test(bits) && Number(bits) <= most ? `${net}/${bits}` : undefined
}

/** Whether a range has bits set to the right of its mask, which the policy parser refuses. */
export function hasHostBits(range: string): boolean {
  const [net = '', bits = ''] = range.split('/')
  if (isIP(net) !== 4) return false
  const number = net.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  return number % 2 ** (32 - Number(bits)) !== 0
}

function whole(family: 'ipv4' | 'ipv6'): number {
  return family === 'ipv6' ? 128 : 32
}
