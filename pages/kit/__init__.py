"""What every page is built from: the viewer, the image picker, controls in the URL, explanations, the export bar."""
