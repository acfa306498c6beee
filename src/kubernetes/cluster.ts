import type * as client from '@kubernetes/client-node'
import type * as library from './client.ts'

/** A connection to the API server; the library is loaded when one is first made. */
export interface Cluster {
  readonly library: typeof library
  readonly config: client.KubeConfig
}

/** How long one request to the API server may take. */
const DEADLINE_MS = 10_000

/** Connects as `KUBECONFIG` says, or in a pod with its service account. Nothing is sent yet. */
export async function connect(): Promise<Cluster> {
  const library = await import('./client.ts')
  const config = new library.KubeConfig()
  config.loadFromDefault()
  return { library, config }
}

/** Options of one request: its deadline, and a signal that ends it sooner. */
export function requestOptions(
  { library }: Cluster,
  signal?: AbortSignal,
): client.ConfigurationOptions {
  return withDeadline(library.setHeaderMiddleware('Accept', 'application/json'), signal)
}

/** The same for a patch that names only what it changes; lists of named things are merged by name. */
export function mergePatch({ library }: Cluster): client.ConfigurationOptions {
  const { StrategicMergePatch } = library.PatchStrategy
  return withDeadline(library.setHeaderMiddleware('Content-Type', StrategicMergePatch))
}

/** The same for server-side apply, which changes only what its field manager names. */
export function applyPatch({ library }: Cluster): client.ConfigurationOptions {
  const { ServerSideApply } = library.PatchStrategy
  return withDeadline(library.setHeaderMiddleware('Content-Type', ServerSideApply))
}

function withDeadline(
  header: client.ObservableMiddleware,
  signal?: AbortSignal,
): client.ConfigurationOptions {
  return {
    middleware: [
      {
        pre: (request) => {
          const deadline = AbortSignal.timeout(DEADLINE_MS)
          request.setSignal(signal === undefined ? deadline : AbortSignal.any([signal, deadline]))
          return header.pre(request)
        },
        post: (response) => header.post(response),
      },
    ],
    middlewareMergeStrategy: 'append',
  }
}

/** Whether the API server answered with this status. */
function answered(error: unknown, status: number): boolean {
  return error instanceof Error && 'code' in error && error.code === status
}

/** The answer, or undefined where the API server says that there is no such object. */
export async function unlessAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (answered(error, 404)) return undefined
    throw error
  }
}

/** Whether a write went through; false where somebody else was faster. */
export async function unlessConflict(write: Promise<unknown>): Promise<boolean> {
  try {
    await write
    return true
  } catch (error) {
    if (answered(error, 409)) return false
    throw error
  }
}

/** An error of the API server in one line, without its body or headers. */
export function briefly(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if ('code' in error && typeof error.code === 'number') {
    return `the API server answers ${error.code}`
  }
  const { cause } = error
  const reason = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  return `${error.message.split('\n', 1)[0] ?? ''}${reason}`
}
