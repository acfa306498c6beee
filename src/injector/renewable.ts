import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import type { KeyPair } from './certificate.ts'

/** A server for HTTPS; `setSecureContext` gives it another certificate for connections to come. */
export type HttpsServer = TlsServer & Pick<Server, 'closeIdleConnections' | 'closeAllConnections'>

interface Settings extends KeyPair {
  readonly minVersion: 'TLSv1.2'
  readonly keepAliveTimeout: number
  readonly requestTimeout: number
}

/**
 * The server of `node:https` for an engine whose own keeps the certificate it started with: a TLS
 * server, which takes a new one, before an HTTP server that never listens. The timeouts of the latter
 * do not run then, so a connection that keeps it waiting is closed from here: for a first head, for a
 * body, for another request.
 */
export function createRenewableServer(settings: Settings, listener: RequestListener): HttpsServer {
  const { cert, key, minVersion, keepAliveTimeout, requestTimeout } = settings
  const deadlines = new WeakMap<Duplex, NodeJS.Timeout>()
  const cancel = (socket: Duplex): void => {
    clearTimeout(deadlines.get(socket))
  }
  const expect = (socket: Duplex, withinMs: number): void => {
    cancel(socket)
    if (socket.destroyed) return
    deadlines.set(
      socket,
      setTimeout(() => socket.destroy(), withinMs),
    )
  }
  const http = createHttpServer({ keepAliveTimeout }, (request, response) => {
    const { socket } = request
    expect(socket, requestTimeout)
    request.once('end', () => {
      // An early answer went out before: what runs now is the wait for another request.
      if (!response.writableFinished) cancel(socket)
    })
    response.once('close', () => {
      expect(socket, keepAliveTimeout)
    })
    listener(request, response)
  })
  const tls = createTlsServer(
    {
      cert,
      key,
      minVersion,
      handshakeTimeout: requestTimeout,
      ALPNProtocols: ['http/1.1'],
      noDelay: true,
    },
    (socket) => {
      socket.once('close', () => {
        cancel(socket)
      })
      expect(socket, requestTimeout)
      http.emit('connection', socket)
    },
  )
  const renew = tls.setSecureContext.bind(tls)
  return Object.assign(tls, {
    setSecureContext: (pair: KeyPair) => {
      renew({ ...pair, minVersion })
    },
    closeIdleConnections: () => {
      http.closeIdleConnections()
    },
    closeAllConnections: () => {
      http.closeAllConnections()
    },
  })
}
