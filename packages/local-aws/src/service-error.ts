/** An error that SQS or SNS answers. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  /** As the SDKs name it. */
  readonly code: string;
  /** As SQS's older protocol names it. */
  readonly queryCode: string;
  readonly status: number;
  readonly fault: "Sender" | "Receiver";

  constructor(
    code: string,
    message: string,
    status = 400,
    queryCode = code,
    fault: "Sender" | "Receiver" = "Sender",
  ) {
    super(message);
    this.code = code;
    this.queryCode = queryCode;
    this.status = status;
    this.fault = fault;
  }
}
