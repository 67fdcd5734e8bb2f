package engine

// ScriptError is a statement of a script that failed. [Session.Script] returns one, wrapped or
// not, where it can tell which statement it was.
type ScriptError struct {
	Offset int // where in the script the failing statement, or the fault in it, begins, in bytes
	Err    error
}

// Error is the server's message.
func (e *ScriptError) Error() string { return e.Err.Error() }

// Unwrap gives the server's error.
func (e *ScriptError) Unwrap() error { return e.Err }
