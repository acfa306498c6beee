/** What the program uses of the client library. Named one by one: the build leaves out the other 30 MB. */
export {
  AdmissionregistrationV1Api,
  CoordinationV1Api,
  CoreV1Api,
  KubeConfig,
  PatchStrategy,
  setHeaderMiddleware,
  V1MicroTime,
  Watch,
} from '@kubernetes/client-node'
