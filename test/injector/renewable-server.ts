import { createInterface } from 'node:readline'
import { createRenewableServer } from '../../src/injector/renewable.ts'

/*
 * Serves by src/injector/renewable.ts as its argument says, under whichever engine. A request is echoed
 * once the whole of it is there; at /early it is answered before, at /held once a line says `answer`.
 * Any other line is the next certificate.
 */

const asked = Promise.withResolvers<void>()
const server = createRenewableServer(JSON.parse(process.argv[2] ?? ''), (request, response) => {
  request.on('error', () => undefined)
  if (request.url === '/early') response.end('early')
  request.setEncoding('utf8')
  let text = ''
  request.on('data', (chunk: string) => (text += chunk))
  request.on('end', () => {
    const before = request.url === '/held' ? asked.promise : Promise.resolve()
    void before.then(() => response.end(text))
  })
})
server.on('tlsClientError', (_error, socket) => socket.destroy())
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  say(typeof address === 'object' ? address?.port : undefined)
})
createInterface(process.stdin).on('line', (line) => {
  if (line === 'answer') asked.resolve()
  else server.setSecureContext(JSON.parse(line))
  say('done')
})

function say(what: unknown): void {
  process.stdout.write(`${String(what)}\n`)
}
