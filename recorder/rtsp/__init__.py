"""RTSP over one TCP connection, read in large pieces; FFmpeg says what the streams are."""
