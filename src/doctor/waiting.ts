/** Tells a person at a terminal what is waited for: nothing for 200 ms, then one line, redrawn in place. */
export interface Waiting {
  /** Begins to wait for something else. */
  readonly for: (what: string) => void
  /** Says why the wait goes on: it stands in the line from now on. */
  readonly because: (reason: string) => void
  /** Takes the line away, so that a result can stand in its place. */
  readonly stop: () => void
}

const SILENCE_MS = 200
/** At most ten times a second. */
const REDRAW_MS = 100

/** Writes to a terminal; for anything else take {@link silently}. */
export function waitingOn(write: (text: string) => void): Waiting {
  let timer: NodeJS.Timeout | undefined
  let isShown = false
  let why = ''
  function stop(): void {
    clearTimeout(timer)
    timer = undefined
    if (isShown) write('\r\u001B[K')
    isShown = false
  }
  return {
    because(reason) {
      why = `: ${reason}`
    },
    for(what) {
      stop()
      why = ''
      const since = performance.now()
      const draw = (): void => {
        isShown = true
        write(`\r\u001B[K… ${what}${why}, ${((performance.now() - since) / 1000).toFixed(1)} s`)
        timer = setTimeout(draw, REDRAW_MS)
        timer.unref()
      }
      timer = setTimeout(draw, SILENCE_MS)
      timer.unref()
    },
    stop,
  }
}

/** Where there is no terminal: each step is told once, when it is finished. */
export const silently: Waiting = {
  for: () => undefined,
  because: () => undefined,
  stop: () => undefined,
}
