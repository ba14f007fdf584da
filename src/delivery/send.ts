/** Ends a request at a time that the caller knows. */
export type Signal = () => AbortSignal;

/**
 * What a request answers, or the signal's reason as soon as that is given, whatever the client does meanwhile: it does
 * not look at the signal while it waits to try again, or for leave to send a body.
 */
export async function until<T>(signal: AbortSignal, request: Promise<T>): Promise<T> {
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () =>
      reject(new Error("The request took longer than the time that there was.", { cause: signal.reason }));
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([request, stopped]);
  } finally {
    signal.removeEventListener("abort", stop);
    request.catch(() => {});
  }
}
