import { useEffect, useRef, useState } from "preact/hooks";

/** A value as it was last taken, which is at most every so many milliseconds. */
export function useSettled<Value>(value: Value, ms: number): Value {
  const [settled, setSettled] = useState(value);
  const newest = useRef(value);
  newest.current = value;
  useEffect(() => {
    if (ms === 0) return;
    setSettled(newest.current);
    const timer = setInterval(() => setSettled(newest.current), ms);
    return () => clearInterval(timer);
  }, [ms]);
  return ms === 0 ? value : settled;
}
