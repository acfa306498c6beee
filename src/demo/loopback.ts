import { createServer, type IncomingMessage } from 'node:http'

/** A request as a simulated service sees it. */
export interface Asked {
  readonly method: string
  /** Slashes in a row are one: Conjur doubles the one before `.well-known`. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** What it answers, as JSON. */
export interface Answer {
  readonly status: number
  readonly json: unknown
}

/** A simulated service on a port of its own. */
export interface Loopback {
  /** Such as `http://127.0.0.1:41893`, without a slash at the end. */
  readonly url: string
  close(): Promise<void>
}

/** Serves JSON over plain HTTP on 127.0.0.1, any free port. */
export async function serve(
  answer: (asked: Asked, url: string) => Answer | Promise<Answer>,
): Promise<Loopback> {
  let url = ''
  const server = createServer((request, response) => {
    void read(request)
      .then((asked) => answer(asked, url))
      .catch(() => ({ status: 500, json: { error: 'the simulation failed' } }))
      .then(({ status, json }) => {
        response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' })
        response.end(JSON.stringify(json))
      })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`
  return {
    url,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

async function read(request: IncomingMessage): Promise<Asked> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1')
  return {
    method: request.method ?? 'GET',
    path: pathname.replace(/\/{2,}/g, '/'),
    query: searchParams,
    headers: request.headers,
    body: Buffer.concat(chunks).toString('utf8'),
  }
}
