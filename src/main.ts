import './told-to-end.ts';

/** The process entry: it hears that it is to end (above), and only then loads all else. */
void import('./run.ts');
