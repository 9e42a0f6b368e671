import { useEffect, useState } from 'react';

/** Returns this page's clock in unix seconds; redraws each second while `ticking`. */
export function useNow(ticking: boolean): number {
  const [, redraw] = useState(0);
  useEffect(() => {
    if (!ticking) {
      return;
    }
    const timer = setInterval(() => redraw(n => n + 1), 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  return Date.now() / 1000;
}
