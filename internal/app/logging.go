package app

import (
	"fmt"
	"io"

	"github.com/go-logr/logr"
	uberzap "go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// NewLogger logs to out as the configuration says.
func NewLogger(out io.Writer, c Log) (logr.Logger, error) {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil {
		return logr.Logger{}, fmt.Errorf("--log-level (log.level): %w", err)
	}
	readable := func(c *zapcore.EncoderConfig) { c.EncodeTime = zapcore.RFC3339TimeEncoder } // as the proxy's
	encoder := zap.JSONEncoder(readable)
	if c.Format == "console" {
		encoder = zap.ConsoleEncoder(readable)
	}
	late := uberzap.WrapCore(func(core zapcore.Core) zapcore.Core { return lateFields{core} })
	return zap.New(zap.WriteTo(out), zap.Level(level), zap.StacktraceLevel(zapcore.PanicLevel), encoder, zap.RawZapOpts(late)), nil
}

// lateFields encodes the values that a logger carries when it first logs something. Every admission request and every reconcile
// has a logger with half a dozen values, and hardly any says a word.
type lateFields struct{ zapcore.Core }

// With implements zapcore.Core.
func (c lateFields) With(fields []zapcore.Field) zapcore.Core {
	return lateFields{zapcore.NewLazyWith(c.Core, fields)}
}
