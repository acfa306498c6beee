import type { Server as HttpServer } from 'node:http'
import type { Server } from 'node:net'
import { ConfigError } from '../core/errors.ts'
import { shown, type Address } from './command-line.ts'

/** Connections that are still busy get this long when the server ends (P7: a second for everything). */
const GRACE_MS = 500

/** Where the server accepts connections, once it does. Throws a ConfigError if the address cannot be had. */
export async function listening(
  server: Pick<Server, 'listen' | 'once' | 'address'>,
  address: Address,
): Promise<Address> {
  const { host, port } = address
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ port, ...(host === '' ? {} : { host }) }, resolve)
  await unlessTaken(address, promise)
  const bound = server.address()
  return { host, port: typeof bound === 'object' && bound !== null ? bound.port : port }
}

/** What `started` yields. Throws a ConfigError that names the address where it cannot be listened on. */
export async function unlessTaken<T>(address: Address, started: Promise<T>): Promise<T> {
  try {
    return await started
  } catch (cause) {
    throw new ConfigError('CONFIG_INVALID', `${shown(address)} cannot be listened on`, {
      hint: `ss -ltnp 'sport = :${address.port}' shows who holds the port`,
      cause,
    })
  }
}

/** Lets running requests end, within bounds, then closes everything; a handshake that hangs is not waited for. */
export function closed(
  server: Pick<Server, 'close'> & Pick<HttpServer, 'closeIdleConnections' | 'closeAllConnections'>,
): Promise<void> {
  return new Promise((resolve) => {
    const hurry = setTimeout(() => {
      server.closeAllConnections()
      resolve()
    }, GRACE_MS)
    server.close(() => {
      clearTimeout(hurry)
      resolve()
    })
    server.closeIdleConnections()
  })
}
