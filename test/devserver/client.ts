import { request as http } from 'node:http'
import { request as https } from 'node:https'

/** A reply, read to its end. Header names in lower case. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  text(): string
  json(): unknown
}

export interface Ask {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

/** Asks a server with nothing but what is given: no header of a client library's own. */
export function ask(
  server: { readonly url: string; readonly ca: string },
  asked: Ask,
): Promise<Answer> {
  const { method = 'GET', path, headers = {}, body } = asked
  const { protocol, hostname, port } = new URL(server.url)
  const send = protocol === 'https:' ? https : http
  return new Promise((resolve, reject) => {
    const host = hostname.replace(/^\[|\]$/g, '')
    const request = send(
      { method, host, port, path, headers, ca: server.ca, agent: false },
      (reply) => {
        const chunks: Buffer[] = []
        reply.on('data', (chunk: Buffer) => chunks.push(chunk))
        reply.on('error', reject)
        reply.on('end', () => {
          const whole = Buffer.concat(chunks)
          resolve({
            status: reply.statusCode ?? 0,
            headers: reply.headers,
            body: whole,
            text: () => whole.toString('utf8'),
            json: (): unknown => JSON.parse(whole.toString('utf8')),
          })
        })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

/** The Authorization header of whoever has this API key. */
export async function tokenFor(
  server: { readonly url: string; readonly ca: string; readonly account: string },
  login: string,
  apiKey: string,
): Promise<{ authorization: string }> {
  const base = new URL(server.url).pathname.replace(/\/$/, '')
  const reply = await ask(server, {
    method: 'POST',
    path: `${base}/authn/${server.account}/${encodeURIComponent(login)}/authenticate`,
    headers: { 'accept-encoding': 'base64' },
    body: apiKey,
  })
  if (reply.status !== 200) throw new Error(`${login} is refused with ${reply.status}`)
  return { authorization: `Token token="${reply.text()}"` }
}
