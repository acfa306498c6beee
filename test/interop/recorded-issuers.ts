import { createServer as createHttp, type RequestListener, type Server } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { recorded } from './recorded.ts'

/** The recorded token issuers, one over HTTP and one over HTTPS, on ports of this run. */
export interface Issuers {
  /** Turns recorded ports into those of this run. */
  readonly rewrite: (text: string) => string
  close(): Promise<void>
}

/** Serves what the issuers served. The HTTPS one has the recorded certificate. */
export async function startIssuers(record: ReturnType<typeof recorded>): Promise<Issuers> {
  const serve: RequestListener = (request, reply) => {
    // The real server asks with a double slash where provider-uri ends in one.
    const path = (request.url ?? '').replace(/\/{2,}/g, '/')
    const found = record.issuers.find(({ url }) => new URL(url).pathname === path)
    reply.statusCode = found === undefined ? 404 : 200
    reply.end(found === undefined ? '' : rewrite(JSON.stringify(found.body)))
  }
  const http = createHttp(serve)
  const https = createHttps({ key: record.issuerKey, cert: record.issuerCertificate }, serve)
  const [httpPort, httpsPort] = await Promise.all([listen(http), listen(https)])
  const rewrite = (text: string): string =>
    text
      .replaceAll('127.0.0.1:18500', `127.0.0.1:${httpPort}`)
      .replaceAll('127.0.0.1:18501', `127.0.0.1:${httpsPort}`)
  return {
    rewrite,
    async close() {
      await Promise.all([http, https].map((server) => stop(server)))
    },
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
}

function stop(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  return closed
}
