import type { Agent, RequestOptions } from 'node:https'

/** A connection that was opened before there was a request for it. */
export interface Early {
  /** Whether the request that was made just now goes by it. */
  taken(): boolean
  close(): void
}

/**
 * Opens the connection that the agent's next request is going to need. What goes wrong on it is not told: it is let
 * go of, and the request finds the same on one of its own.
 */
export function openEarly(agent: Agent, options: RequestOptions): Early {
  const create = agent.createConnection.bind(agent)
  const socket = create({ ...options, ...agent.options })
  socket?.on('error', () => undefined)
  let isTaken = false
  agent.createConnection = (...asked) => {
    agent.createConnection = create
    isTaken = socket?.destroyed === false
    return isTaken ? socket : create(...asked)
  }
  return {
    taken: () => isTaken,
    close() {
      agent.createConnection = create
      if (!isTaken) socket?.destroy()
    },
  }
}
