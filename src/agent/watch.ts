import { basename, dirname } from 'node:path'
import { watch, type FSWatcher } from 'chokidar'

/** Stops watching. */
export type Unwatch = () => Promise<void>

/** Who is told what. */
export interface Watcher {
  /** Everything that happens from now on will be seen. */
  readonly onReady: () => void
  readonly onChange: (path: string) => void
  readonly onFailure: (error: Error) => void
}

/**
 * Calls `onChange` with the path whenever a file changes, appears or goes. A watch that cannot be
 * set up, or dies, is told to `onFailure` and costs nothing but itself: the timer goes on.
 */
export function watchFiles(
  paths: readonly string[],
  { onReady, onChange, onFailure }: Watcher,
): Unwatch {
  // Kubernetes swaps a link beside the file, so its directory is what must be watched.
  const directories = [...new Set(paths.map((path) => dirname(path)))]
  const names = new Set(paths.map((path) => basename(path)))
  const watcher: FSWatcher = watch(directories, {
    depth: 0,
    ignoreInitial: true,
    followSymlinks: true,
    persistent: true,
  })
  watcher.once('ready', onReady)
  watcher.on('all', (_event, path) => {
    const name = basename(path)
    if (names.has(name) || name === '..data') onChange(path)
  })
  watcher.on('error', (error) =>
    onFailure(error instanceof Error ? error : new Error(String(error))),
  )
  return () => watcher.close()
}
