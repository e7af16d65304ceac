// SPDX-License-Identifier: Apache-2.0
import Policy

/// Where a policy that is put in force comes from.
public struct PolicyOrigin: Sendable {
    public var note: ApplyNote
    /// The files that it was read from, its own first; nil: they are too large to be kept.
    public var files: [RecordingFiles.File]?

    public init(note: ApplyNote, files: [RecordingFiles.File]?) {
        self.note = note
        self.files = files
    }
}
