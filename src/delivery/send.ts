/** A request to AWS, with options that end it. */
export type Request<T> = (options: { readonly abortSignal: AbortSignal }) => Promise<T>;

/** Makes a request, and ends it when the time for it is over. */
export type Within = <T>(request: Request<T>) => Promise<T>;

/** Milliseconds: a timer that comes later than that was kept from coming. */
const LATE = 100;

/**
 * Makes a request that has some milliseconds. It is over then whatever the client does, which does not look at the signal while
 * it waits to try again, or for leave to send a body. If something kept the thread busy beyond that time, nobody looked at
 * what was answered meanwhile: then the request has as long again, or `more`, whichever is less.
 */
export async function within<T>(milliseconds: number, more: number, request: Request<T>): Promise<T> {
  const controller = new AbortController();
  const due = performance.now() + milliseconds;
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    const end = () => {
      const cause = new Error(`It took longer than ${milliseconds} ms.`);
      controller.abort(cause);
      reject(new Error("The request took longer than the time that there was.", { cause }));
    };
    timer = setTimeout(() => {
      if (performance.now() - due < LATE) end();
      else timer = setTimeout(end, Math.min(milliseconds, more)).unref();
    }, milliseconds).unref();
  });
  try {
    return await Promise.race([request({ abortSignal: controller.signal }), over]);
  } finally {
    clearTimeout(timer);
  }
}
