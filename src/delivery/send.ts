/** Ends a request at a time that the caller knows. */
export type Signal = () => AbortSignal;

/** Milliseconds: a timer that comes later than that was kept from coming. */
const LATE = 100;

/** What forgets a deadline. */
const timers = new WeakMap<AbortSignal, () => void>();

/**
 * Ends a request after some milliseconds. If something kept the thread busy beyond that, nobody looked at what was answered
 * meanwhile: then the request has as long again, or `more`, whichever is less.
 */
export function deadline(milliseconds: number, more: number): AbortSignal {
  const controller = new AbortController();
  const end = () => controller.abort(new Error(`It took longer than ${milliseconds} ms.`));
  const due = performance.now() + milliseconds;
  let timer = setTimeout(() => {
    if (performance.now() - due < LATE) end();
    else timer = setTimeout(end, Math.min(milliseconds, more)).unref();
  }, milliseconds).unref();
  timers.set(controller.signal, () => clearTimeout(timer));
  return controller.signal;
}

/**
 * What a request answers, or the signal's reason as soon as that is given, whatever the client does meanwhile: it does
 * not look at the signal while it waits to try again, or for leave to send a body. A deadline is for one request.
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
    // A timer keeps what it would end in memory.
    timers.get(signal)?.();
    request.catch(() => {});
  }
}
