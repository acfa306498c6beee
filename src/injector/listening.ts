import type { Server } from 'node:http'
import { ConfigError } from '../core/errors.ts'
import { shown, type Address } from './command-line.ts'

/** Connections that are still busy get this long when the server ends (P7: a second for everything). */
const GRACE_MS = 500

/** Resolves once the server accepts connections. Throws a ConfigError if the address cannot be had. */
export function listening(
  server: Pick<Server, 'listen' | 'once'>,
  { host, port }: Address,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: Error) => {
      reject(
        new ConfigError('CONFIG_INVALID', `${shown({ host, port })} cannot be listened on`, {
          hint: `ss -ltnp 'sport = :${port}' shows who holds the port`,
          cause,
        }),
      )
    })
    server.listen({ port, ...(host === '' ? {} : { host }) }, resolve)
  })
}

/** Lets running requests end, within bounds, then closes everything. */
export function closed(
  server: Pick<Server, 'close' | 'closeIdleConnections' | 'closeAllConnections'>,
): Promise<void> {
  return new Promise((resolve) => {
    const hurry = setTimeout(() => {
      server.closeAllConnections()
    }, GRACE_MS)
    server.close(() => {
      clearTimeout(hurry)
      resolve()
    })
    server.closeIdleConnections()
  })
}
