import type { Logger } from 'pino'
import type { AgentConfig } from '../config/load.ts'

/** The inputs of an agent. */
export interface Watched {
  readonly config: AgentConfig
  /** Configuration and annotations, as far as they are files. */
  readonly files: readonly string[]
  /** Where the platform token comes from, where that is a file. */
  readonly watched: readonly string[]
  readonly log: Logger
}

/** Who is told what. */
export interface Watching {
  /** A pass reads something else now. */
  readonly wake: () => void
  /** The configuration may have changed. */
  readonly reconsider: () => Promise<void>
}

/** Watches what a pass reads: configuration, annotations, CA, platform token and templates. Yields what ends it. */
export async function watchInputs(
  { config, files, watched, log }: Watched,
  { wake, reconsider }: Watching,
): Promise<() => Promise<void>> {
  const { watchFiles } = await import('./watch.ts')
  const { ca } = config.conjur
  const read = [
    ...watched,
    ...(ca !== undefined && 'file' in ca ? [ca.file] : []),
    ...config.groups.flatMap(({ template }) =>
      template !== undefined && 'file' in template ? [template.file] : [],
    ),
  ]
  return watchFiles([...files, ...read], {
    // What changed before the watch stood was not seen.
    onReady: () => void reconsider(),
    onChange: (path) => {
      if (!read.includes(path)) void reconsider()
      wake()
    },
    onFailure: (error) => log.warn({ code: 'WATCH_FAILED' }, `${error.message}; the timer goes on`),
  })
}

/** Looks at the Secrets that are filled, so that a changed map is met at once; the timer goes on whatever happens. */
export async function watchMaps(
  { namespace, names }: { readonly namespace: string; readonly names: readonly string[] },
  { log, onChange }: { readonly log: Logger; readonly onChange: () => void },
  signal: AbortSignal,
): Promise<void> {
  try {
    const { connect } = await import('../kubernetes/cluster.ts')
    const { watchSecrets: follow } = await import('../kubernetes/watch-secrets.ts')
    await follow(await connect(), { namespace, names, onChange }, signal)
    if (signal.aborted) return
    log.info(
      { code: 'WATCH_FORBIDDEN' },
      'may not watch Secrets: a changed map waits for the timer',
    )
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown'
    log.warn({ code: 'WATCH_FAILED', why }, 'Secrets are not watched; the timer goes on')
  }
}
