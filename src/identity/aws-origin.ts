import type { Secret } from '../core/secret.ts'

/** Where AWS credentials come from; exactly one place, chosen by configuration. */
export type AwsOrigin =
  | {
      readonly kind: 'static'
      readonly accessKeyId: string
      readonly secretAccessKey: Secret
      readonly sessionToken: Secret | undefined
    }
  /** A projected service-account token that STS exchanges for a role (IRSA). */
  | {
      readonly kind: 'web-identity'
      readonly tokenFile: string
      readonly roleArn: string
      readonly sessionName: string
    }
  /** An ECS task or EKS Pod Identity; the authorization is a header's whole value. */
  | {
      readonly kind: 'container'
      readonly url: URL
      readonly authorization: Secret | { readonly file: string } | undefined
    }
  /** An EC2 instance's metadata service. */
  | { readonly kind: 'instance'; readonly baseUrl: URL }
