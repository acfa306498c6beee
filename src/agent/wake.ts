/** A bell: who waits hears every ring since the last time, once. */
export interface Wake {
  ring(): void
  /** Whether a ring waits to be heard. */
  isRung(): boolean
  /** Resolves at the next ring, at once if one was missed; rejects with the signal's reason. */
  heard(signal: AbortSignal): Promise<void>
}

export function createWake(): Wake {
  let missed = false
  let listener: (() => void) | undefined
  return {
    isRung: () => missed,
    ring() {
      if (listener === undefined) missed = true
      else listener()
    },
    async heard(signal) {
      if (missed) {
        missed = false
        return
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const onAbort = (): void => reject(signal.reason)
      listener = resolve
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        await promise
      } finally {
        listener = undefined
        signal.removeEventListener('abort', onAbort)
      }
    },
  }
}
