/** S3, SNS, SQS, Lambda and IAM on this computer. README.md says what is there and what is declined. */

export * from "./arn.ts";
export { type AwsEvent, type BatchInvocation, type EventDetails, type EventKind, Events } from "./events.ts";
export { Faults } from "./faults/faults.ts";
export { chaos, type Plan, type RequestFault, SEQUENCERS } from "./faults/plan.ts";
export type { Direct, ReceivedMessage } from "./gateway/direct.ts";
export type { Credentials, Identity } from "./iam/identity.ts";
export { neverNeeded, PermissionUse, type StatementUse } from "./iam/usage.ts";
export { LocalFunction } from "./lambda/function.ts";
export { type FailureKind, type FunctionError, InvocationError } from "./lambda/sandbox.ts";
export { Semaphore } from "./lambda/semaphore.ts";
export type { LambdaService } from "./lambda/service.ts";
export * from "./local-aws.ts";
export type { ObjectStore } from "./store/object-store.ts";
