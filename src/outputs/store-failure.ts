import { OutputError } from '../core/errors.ts'

/** An answer of the API server that is no success; `no answer` where it could not be reached. */
export interface StoreRefusal {
  readonly status: number | 'no answer'
  /** The reason in its own words; never a value. */
  readonly reason: string
}

/** A refusal as an OutputError: what it means for this object, and the command that helps. */
export function storeFailure(
  what: string,
  verb: 'get' | 'list' | 'patch',
  { status, reason }: StoreRefusal,
): OutputError {
  const facts = { secret: what, status }
  switch (status) {
    case 401:
    case 403:
      return new OutputError(
        'OUTPUT_UNWRITABLE',
        `this service account may not ${verb} ${what} (${status})`,
        {
          hint: 'load what `conjur-agent rbac` prints',
          facts,
        },
      )
    case 404:
      return new OutputError('OUTPUT_UNWRITABLE', `${what} does not exist`, {
        hint: `kubectl apply it with a conjur-map, or correct K8S_SECRETS`,
        retryable: true,
        facts,
      })
    case 409:
      return new OutputError(
        'OUTPUT_UNWRITABLE',
        `${what} was changed or deleted meanwhile (409)`,
        {
          hint: `kubectl get ${what.toLowerCase().replace(' ', '/')} --show-managed-fields shows by whom`,
          retryable: true,
          facts,
        },
      )
    case 413:
      return new OutputError('OUTPUT_FULL', `${what} is too large for the API server (413)`, {
        hint: 'spread its map over several Secrets',
        facts,
      })
    case 422:
      return new OutputError('OUTPUT_UNFIT', `the API server takes no such data in ${what} (422)`, {
        hint: 'compare its type with its keys: kubernetes.io/tls, for one, needs tls.crt and tls.key',
        facts,
      })
    default:
      return new OutputError(
        'OUTPUT_UNWRITABLE',
        `${what} cannot be written: ${reason} (${status})`,
        {
          hint: 'kubectl get --raw /readyz shows whether the API server is well',
          retryable: true,
          facts,
        },
      )
  }
}
